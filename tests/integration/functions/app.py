"""Handlers that test_functions.py runs on src/lambda/runtimes/runtime.py."""
import json
import os
import signal
import time


def echo(event, context):
    print("handling", context.aws_request_id)
    return {"statusCode": 201, "headers": {"X-Version": event["version"]},
            "body": f"{os.environ['GREETING']} {event.get('body')} {os.getpid()}"}


def die(event, context):
    os._exit(7)


def killed(event, context):
    os.kill(os.getpid(), signal.SIGKILL)


def hang(event, context):
    time.sleep(600)


def nonsense(event, context):
    return {"statusCode": "many"}


def fail(event, context):
    raise KeyError("it broke")


class 错误(Exception):
    pass


def odd(event, context):
    """Half a character, in what it raises or returns."""
    if event["raise"]:
        raise 错误("half \ud83c")
    return {"half": "\ud83c", "same": event["half"], "whole": "ä🎵"}


def big(event, context):
    """Says more than fits, or that it did not go well at such length."""
    q = event["queryStringParameters"]
    text = "x" * int(q["bytes"])
    if "raise" in q:
        raise ValueError(text)
    return {"statusCode": 201, "headers": {"X-Pid": os.getpid()}, "body": text}


def talk(event, context):
    for n in range(1000):
        print("line", n)


def mark(event, context):
    """Appends event["text"] to event["file"], after so many failures."""
    if event.get("failures"):
        with open(event["counter"], "a+") as counter:
            counter.write("x")
            counter.seek(0)
            if len(counter.read()) <= event["failures"]:
                raise RuntimeError("not yet")
    with open(event["file"], "a") as file:
        file.write(event["text"])


def client(event, context):
    given = context.client_context
    return {"context": given and {"client": vars(given.client), "custom": given.custom,
                                  "env": given.env}}


def same(event, context):
    return json.loads(event["body"])


def meet(event, context):
    """Comes back once all have come."""
    q = event["queryStringParameters"]
    open(os.path.join(q["dir"], "meet-" + q["me"]), "w").close()
    while len([f for f in os.listdir(q["dir"]) if f.startswith("meet-")]) < int(q["all"]):
        time.sleep(0.02)
    return {"me": q["me"], "pid": os.getpid()}
