"""What function_route_test.c runs on src/lambda/runtimes/runtime.py."""
import base64
import os


def echo(event, context):
    return {
        "statusCode": 200,
        "headers": {"Content-Type": "text/plain"},
        "multiValueHeaders": {"X-Tag": event["multiValueHeaders"].get("X-Tag", [])},
        "body": base64.b64encode(f"{event['version']} {event['path']} {context.function_name}".encode()).decode(),
        "isBase64Encoded": True,
    }


def broken(event, context):
    raise ValueError("it broke")


def gone(event, context):
    os._exit(1)
