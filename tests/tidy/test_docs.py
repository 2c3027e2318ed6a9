"""What the documents name exists."""
import re

import tree

# In documents, a function is named as `path/file.cpp: name` (or `Class::name`), inside backticks.
FUNCTION = re.compile(r"`([\w./-]+\.(?:cpp|hpp|h|c|py|proto)): ~?([\w:~]+)(?:\(\))?`")


def missing_functions(document):
    for path, name in FUNCTION.findall(document):
        if path not in tree.files():
            yield f"{path}: no such file"
        elif not re.search(rf"\b{re.escape(name.split('::')[-1])}\s*\(", tree.text(path)):
            yield f"{path}: no function {name}"


def test_every_function_that_the_architecture_names_exists():
    document = tree.text("docs/ARCHITECTURE.md")
    assert FUNCTION.search(document), "it names no function as `path/file.cpp: name`"
    wrong = list(missing_functions(document))
    assert not wrong, tree.report(wrong)


def test_the_function_rule_misses_what_is_not_there():
    assert list(missing_functions("`lib/base/gone.cpp: run` `lib/base/error.cpp: no_such`")) == [
        "lib/base/gone.cpp: no such file", "lib/base/error.cpp: no function no_such"]
    assert not list(missing_functions("`lib/base/error.cpp: Error::to_string`"))


def test_every_link_inside_the_documents_leads_somewhere():
    wrong = []
    for page in tree.with_suffix(".md"):
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", tree.text(page)):
            if "://" not in target and not (tree.ROOT / page).parent.joinpath(target).exists():
                wrong.append(f"{page}: {target}")
    assert not wrong, tree.report(wrong)


def test_the_commands_that_documents_name_exist_in_dev():
    commands = set(re.findall(r"^cmd_(\w+)\(\)", tree.text("dev"), re.M))
    wrong = [f"{page}: ./dev {word}" for page in tree.with_suffix(".md")
             for word in re.findall(r"\./dev (\w+)", tree.text(page)) if word not in commands]
    assert not wrong, tree.report(wrong)
    readme = tree.text("README.md")
    assert "./dev demo" in readme and "./dev test" in readme


def test_the_help_of_dev_lists_each_command():
    dev = tree.text("dev")
    helped = set(re.findall(r"^  (\w+) {2,}\w", dev[dev.index("<<'HELP'"):], re.M))
    assert helped == set(re.findall(r"^cmd_(\w+)\(\)", dev, re.M)) - {"help"}


def test_the_page_of_errors_has_the_row_of_each_code():
    codes = re.findall(r"^  (k\w+),", tree.text("include/culvert/base/error.hpp").split("enum class Origin")[0], re.M)
    rows = re.findall(r'\{"([^"]+)", "([^"]+)", (\d+), (true|false)\}', tree.text("lib/base/error.cpp"))
    assert len(codes) == len(rows) > 0
    page = tree.text("docs/errors.md")
    wrong = [row for code, (name, flag, status, retry) in zip(codes, rows)
             if (row := f"| `{code}` | {name} | `{flag}` | {status} | {'yes' if retry == 'true' else 'no'} |") not in page]
    assert not wrong, tree.report(wrong)


def test_the_page_of_http_has_the_row_of_each_refusal():
    refusals = re.findall(r'inline constexpr Refusal k\w+\{\s*(\d+),\s*"([^"]+)"\}', tree.text("include/culvert/http/refusal.hpp"))
    rows = re.findall(r"^\| (\d+) \| (.+) \|$", tree.text("docs/http.md"), re.M)
    assert len(refusals) > 40 and rows == refusals


def test_the_page_of_libraries_names_each_one_that_the_build_uses():
    page = tree.text("docs/decisions/0001-libraries.md")
    used = set(re.findall(r"dependency\('([\w.-]+)'", tree.text("meson.build"))) - {"threads"}
    wrong = [name for name in sorted(used) if f"`{name}`" not in page]
    assert used and not wrong, tree.report(wrong)


def test_each_row_of_failing_closed_names_a_test_that_exists():
    page = tree.text("docs/security.md")
    rows = re.findall(r"^\| (?!case |-)(.+) \|$", page[page.index("## Failing closed"):], re.M)
    assert len(rows) > 20
    wrong = []
    for row in rows:
        named = re.findall(r"`(tests/[\w/]+\.py): (test_\w+)`", row)
        if not named:
            wrong.append(f"{row}: names no test")
        wrong += [f"{path}: {name}" for path, name in named
                  if path not in tree.files() or f"def {name}(" not in tree.text(path)]
    assert not wrong, tree.report(wrong)
