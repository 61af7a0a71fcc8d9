"""A Lambda runtime for Python without dependencies: the handler runs as it does in AWS Lambda.

usage: python3 runtime.py FILE.FUNCTION     (in a configuration: command: [python3, runtime.py, app.handler])

It speaks the Runtime API at AWS_LAMBDA_RUNTIME_API. With AWS_LAMBDA_MAX_CONCURRENCY above 1 it
serves that many events at a time, each in a thread of its own.
"""
import http.client
import importlib
import json
import os
import sys
import threading
import time
import traceback
import types

API = "/2018-06-01/runtime/"


def client_context(text):
    """What a caller of Invoke gave as X-Amz-Client-Context."""
    given = json.loads(text.encode("latin-1")) if text else None  # header fields are bytes
    if not isinstance(given, dict):
        return None
    return types.SimpleNamespace(client=types.SimpleNamespace(**given.get("client") or {}),
                                 custom=given.get("custom"), env=given.get("env"))


class Context:
    """What a handler gets as its second argument."""

    def __init__(self, headers):
        self.aws_request_id = headers["Lambda-Runtime-Aws-Request-Id"]
        self.invoked_function_arn = headers["Lambda-Runtime-Invoked-Function-Arn"]
        self.function_name = os.environ["AWS_LAMBDA_FUNCTION_NAME"]
        self.function_version = os.environ["AWS_LAMBDA_FUNCTION_VERSION"]
        self.memory_limit_in_mb = os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]
        self.log_group_name = os.environ["AWS_LAMBDA_LOG_GROUP_NAME"]
        self.log_stream_name = os.environ["AWS_LAMBDA_LOG_STREAM_NAME"]
        self.client_context = client_context(headers.get("Lambda-Runtime-Client-Context"))
        self.identity = None
        self.deadline_ms = int(headers["Lambda-Runtime-Deadline-Ms"])

    def get_remaining_time_in_millis(self):
        return max(0, self.deadline_ms - int(time.time() * 1000))


def describe(error):
    return {
        "errorMessage": str(error),
        "errorType": type(error).__name__,
        "stackTrace": traceback.format_tb(error.__traceback__),
    }


def to_json(value):
    """A lone surrogate, which UTF-8 cannot tell, stays the escape that it is in JSON."""
    return json.dumps(value, ensure_ascii=False).encode(errors="backslashreplace")


def post(api, path, body, headers={}):
    api.request("POST", API + path, body, {"Content-Type": "application/json", **headers})
    api.getresponse().read()


def post_error(api, path, error, error_type):
    field = error_type.encode("ascii", "backslashreplace")  # a class may have any name
    post(api, path, to_json(describe(error)), {"Lambda-Runtime-Function-Error-Type": field})


def load(name):
    module, function = name.rsplit(".", 1)
    sys.path.insert(0, os.getcwd())
    return getattr(importlib.import_module(module.replace("/", ".")), function)


def serve_one(api, handler):
    api.request("GET", API + "invocation/next")
    response = api.getresponse()
    event = response.read()
    if response.status != 200:
        raise SystemExit(f"next: {response.status} {event.decode(errors='replace')}")
    context = Context(response.headers)
    if trace := response.headers.get("Lambda-Runtime-Trace-Id"):
        os.environ["_X_AMZN_TRACE_ID"] = trace
    path = f"invocation/{context.aws_request_id}/"
    try:
        answer = to_json(handler(json.loads(event), context))
    except Exception as error:
        traceback.print_exc()
        post_error(api, path + "error", error, "Function." + type(error).__name__)
        return
    post(api, path + "response", answer)


def serve(handler):
    api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    while True:
        serve_one(api, handler)


def main():
    if len(sys.argv) != 2 or "." not in sys.argv[1]:
        raise SystemExit(__doc__)
    sys.stdout.reconfigure(line_buffering=True)  # a pipe: else a print shows up when it is full
    try:
        handler = load(sys.argv[1])
    except Exception as error:
        traceback.print_exc()
        post_error(http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"]), "init/error",
                   error, "Runtime.ImportModuleError")
        raise SystemExit(1)
    threads = int(os.environ.get("AWS_LAMBDA_MAX_CONCURRENCY", "1"))
    for _ in range(threads - 1):
        threading.Thread(target=serve, args=(handler,), daemon=True).start()
    serve(handler)


if __name__ == "__main__":
    main()
