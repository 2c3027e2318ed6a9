"""Files stay below 500 lines and functions at 70 or fewer."""
import re

import tree

FILE_LINES, FILE_SMELL, FUNCTION_LINES = 500, 400, 70
SIZED = tree.CODE + (".py", ".proto", ".sh", ".build", ".js", ".ts")
RAW_STRING = re.compile(r'R"(\w*)\(.*?\)\1"', re.S)  # its lines are data and don't count
# Braces of these heads are no bodies of functions.
NO_FUNCTION = re.compile(r"(namespace|class|struct|enum|union|extern|if|for|while|switch|else|do|try|case)\b|.*=$")


def lines(path):
    return tree.text(path).count("\n")


def long_functions(source):
    """(line, lines, head) of each function over the limit, where the body is a pair of braces after a `)`."""
    source = RAW_STRING.sub(lambda m: m.group().replace("\n", "\0"), source)
    source = re.sub(r"^[ \t]*#[^\n]*(?<!\\)$", "", tree.code_only(source), flags=re.M)
    found, opened, start = [], [], 0
    for match in re.finditer(r"[{};]", source):
        if match.group() == "{":
            opened.append((match.start(), " ".join(source[start:match.start()].split())))
        elif match.group() == "}" and opened:
            begin, head = opened.pop()
            size = source.count("\n", begin, match.start()) + 1
            line = re.sub("\0", "\n", source[:begin]).count("\n") + 1
            head = re.sub(r"^((public|private|protected): *|template *<.*?> *)+", "", head)
            if size > FUNCTION_LINES and "(" in head and not NO_FUNCTION.match(head):
                found.append((line, size, head))
        start = match.end()
    return found


def test_no_file_has_more_than_500_lines():
    sized = sorted(((lines(f), f) for f in tree.with_suffix(*SIZED) + ["dev", "tests/run"]), reverse=True)
    print(f"over {FILE_SMELL} lines:", [f"{f} ({n})" for n, f in sized if n > FILE_SMELL] or "none")
    wrong = [f"{f}: {n} lines" for n, f in sized if n > FILE_LINES]
    assert not wrong, tree.report(wrong)


def test_no_function_has_more_than_70_lines():
    wrong = [f"{f}:{line}: {n} lines: {head}" for f in tree.with_suffix(*tree.CODE)
             for line, n, head in long_functions(tree.text(f))]
    assert not wrong, tree.report(wrong)


def test_the_function_rule_sees_a_long_body_and_no_long_namespace():
    body = "  work();\n" * FUNCTION_LINES
    assert len(long_functions("void run() {\n" + body + "}\n")) == 1
    assert len(long_functions("void run(int a,\n         int b) {\n" + body + "}\n")) == 1
    assert not long_functions("namespace culvert {\n" + body + "}\n")
    assert not long_functions("class Big {\n" + body + "};\n")
    assert not long_functions('void run() {\n  parse(R"(' + body + ')");\n}\n')
    assert not long_functions("struct Big {\n" + "  void run();\n" * FUNCTION_LINES + "};\n")
    assert not long_functions("void run() {\n" + "  work();\n" * (FUNCTION_LINES - 2) + "}\n")
