"""What rules about HTTP do: the sample application behind a waypoint, one rule after the other, counted from answers."""
import collections
import json

from observe import REPO, Failed, culvert

FOLDER = REPO / "manifests" / "samples" / "books"
APP = FOLDER / "app.yaml"
ASKS = 100
# Sends requests one after the other and prints a line each: status, version, seconds.
ASK = """
import http.client, json, sys, time
count, headers = int(sys.argv[1]), dict(pair.split(": ") for pair in sys.argv[2:])
out = []
for _ in range(count):
    started = time.monotonic()
    connection = http.client.HTTPConnection("reviews", 8080, timeout=20)
    connection.request("GET", "/books/1", headers=headers)
    response = connection.getresponse()
    text = response.read()
    connection.close()
    try:
        version = json.loads(text).get("version")
    except ValueError:
        version = None
    out.append([response.status, version, time.monotonic() - started])
print(json.dumps(out))
"""


class Books:
    def __init__(self, lab, say):
        self.lab, self.say = lab, say

    def rule(self, name):
        culvert("lab", "apply", "--name", self.lab.name, "-f", str(FOLDER / "rules" / f"{name}.yaml"))

    def ask(self, count, *headers):
        done = self.lab.exec("books/user", "python3", "-c", ASK, str(count), *headers)
        if done.returncode != 0:
            raise Failed(f"books/user could not ask reviews:\n{done.stderr}")
        return json.loads(done.stdout)

    def behave(self, pod, *how):
        done = self.lab.exec(f"books/{pod}", "python3", str(FOLDER / "server.py"), "behave", *how)
        if done.returncode != 0:
            raise Failed(f"books/{pod} was not to be told how to behave:\n{done.stderr}")

    def by_user(self):
        self.rule("by-user")
        for who, headers in (("jason", ["end-user: jason"]), ("jason, by cookie", ["cookie: a=b; user=jason"]),
                             ("jane", ["end-user: jane"])):
            versions = counted(answer[1] for answer in self.ask(5, *headers))
            self.say(f"  rules/by-user.yaml: {who:18} gets {versions}")

    def weights(self):
        self.rule("weights-50-25-25")
        versions = counted(answer[1] for answer in self.ask(ASKS))
        self.say(f"  rules/weights-50-25-25.yaml: {ASKS} requests: {versions}")

    def faults(self):
        self.rule("delay")
        for who, headers in (("jason", ["end-user: jason"]), ("jane", ["end-user: jane"])):
            (status, version, seconds), = self.ask(1, *headers)
            self.say(f"  rules/delay.yaml: {who:18} is answered {status} by {version} after {seconds:.2f} s")

    def retries(self):
        self.behave("reviews-v2", "--fail", "0.5")
        for name, words in (("timeout", "tried once"), ("retries", "rules/retries.yaml")):
            self.rule(name)
            statuses = counted(answer[0] for answer in self.ask(ASKS))
            self.say(f"  v2 fails half of the time, {words}: {ASKS} requests: {statuses}")
        self.behave("reviews-v2")


def counted(values):
    return ", ".join(f"{value} {count} times" for value, count in sorted(collections.Counter(values).items(), key=str))


def show(lab, say):
    books = Books(lab, say)
    books.by_user()
    books.weights()
    books.faults()
    books.retries()
