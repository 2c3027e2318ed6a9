"""Mistakes are told at their place, with the next step, and leave nothing behind."""
import machine
import pytest
from lab import culvert


def up(tmp_path, text, *flags, name="e2e-bad"):
    path = tmp_path / "m.yaml"
    path.write_text(text)
    done = culvert("lab", "up", "--name", name, "--mesh=none", "-f", path, *flags, check=False)
    assert done.returncode == 1, done.stdout
    assert machine.remains(name) == {}
    return done.stderr.replace(str(path), "m.yaml")


POD = """apiVersion: v1
kind: Pod
metadata: {name: %s}
spec:
  containers:
  - name: c
    command: %s
"""


@pytest.mark.parametrize("text, words", [
    ("apiVersion: v1\nkind: Pod\nmetadata: {name: a\nspec: {}\n", ["m.yaml:"]),
    ("# one\n---\napiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers: [{name: x}]\n",
     ["m.yaml:7:", "spec.containers[0].command"]),
    (POD % ("a", "[x]") + "---\n" + POD % ("a", "[x]"), ["m.yaml:9:", "m.yaml:1"]),
    (POD.replace("spec:", "spec:\n  nodeNam: x") % ("a", "[x]"), ["nodeNam", "nodeName"]),
    (POD % ("a", "[x]") + "  nodeName: nowhere\n", ["nowhere", "next:"]),
    (POD % ("../../etc", "[x]"), ["m.yaml:3:", "metadata.name"]),
])
def test_a_mistake_is_told_with_its_place(tmp_path, text, words):
    said = up(tmp_path, text)
    for word in words:
        assert word in said


def test_a_missing_file_is_named(tmp_path):
    done = culvert("lab", "up", "--name", "e2e-bad", "-f", tmp_path / "none.yaml", check=False)
    assert done.returncode == 1 and "none.yaml" in done.stderr and "next:" in done.stderr


def test_a_program_that_is_not_there_fails_at_once_and_names_the_pod(tmp_path):
    said = up(tmp_path, POD % ("a", "[no-such-program]"))
    assert "default/a" in said and "no-such-program" in said


def test_a_pod_that_never_listens_is_named_with_its_log(tmp_path):
    said = up(tmp_path, POD % ("a", '[sh, -c, "echo waiting for nothing; sleep 1000"]') +
              "    ports: [{containerPort: 1234}]\n", "--timeout", "1")
    assert "default/a" in said and "waiting for nothing" in said and "--timeout" in said


@pytest.mark.parametrize("name", ["Upper", "a/b", "..", "x" * 33, "a-n-b"])
def test_a_bad_lab_name_is_refused(tmp_path, name):
    path = tmp_path / "m.yaml"
    path.write_text(POD % ("a", "[x]"))
    done = culvert("lab", "up", f"--name={name}", "--mesh=none", "-f", path, check=False)
    assert done.returncode == 1 and "lab's name" in done.stderr


@pytest.mark.parametrize("command", [["status"], ["exec", "a/b", "--", "true"], ["logs", "a/b"],
                                     ["down"], ["restart", "control"]])
def test_a_lab_that_is_not_there_is_said_with_how_to_start_one(command):
    done = culvert("lab", command[0], "--name", "e2e-none", *command[1:], check=False)
    assert done.returncode != 0
    assert "there is no lab named e2e-none" in done.stderr and "next:" in done.stderr


@pytest.mark.parametrize("words", [["--help"], ["lab", "--help"], ["lab", "up", "--help"],
                                   ["lab", "exec", "--help"], ["status", "--help"], ["pods", "--help"]])
def test_help_has_examples(words):
    assert "Examples:" in culvert(*words).stdout
