"""The event a function got and the trace it is part of, for test_balancer.py."""
import json
import os


def show(event, context):
    return {"statusCode": 200, "headers": {"content-type": "application/json"},
            "body": json.dumps({"event": event, "trace": os.environ.get("_X_AMZN_TRACE_ID")})}
