"""Prints cleanplate/models.py, made from the service's description: python generate.py OPENAPI.json > cleanplate/models.py"""

import json
import sys

#: What calls answer with, by the client's name for it.
ROOTS = {"RemovalResult": "Result", "AccountReply": "Account"}
PLAIN = {"string": "str", "integer": "int", "number": "float", "boolean": "bool"}


def referred(schema):
    """The name that a schema refers to, in the document and in the client; None of a schema that stands for itself."""
    name = schema.get("$ref", "").rpartition("/")[2]
    return (name, ROOTS.get(name, name)) if name else None


def kind(schema, needed):
    """The type of a property; the names that it needs are added."""
    for option in schema.get("oneOf", []):
        if "$ref" in option:
            return f"Optional[{kind(option, needed)}]"
    if reference := referred(schema):
        needed.append(reference[0])
        return reference[1]
    types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    (own,) = [name for name in types if name != "null"]
    if own == "array":
        text = f"Sequence[{kind(schema['items'], needed)}]"
    elif own == "object":
        text = f"Mapping[str, {kind(schema['additionalProperties'], needed)}]"
    else:
        text = PLAIN[own]
    return f"Optional[{text}]" if "null" in types else text


def documented(text, indent):
    """The lines of a description as a comment above what it describes."""
    return [f"{indent}#: {line}" for line in text.splitlines()]


def model(name, schema):
    """The lines of one model, and the models that it needs."""
    needed, known = [], ROOTS.get(name, name)
    if "enum" in schema:
        values = ", ".join(json.dumps(value) for value in schema["enum"])
        return [*documented(schema["description"], ""), f"{known} = Literal[{values}]"], needed
    lines = ["@dataclass(frozen=True)", f"class {known}:", f'    """{schema["description"]}"""', ""]
    for field, told in schema["properties"].items():
        lines += [*documented(told.get("description", ""), "    "), f"    {field}: {kind(told, needed)}"]
    return lines, needed


def main(file):
    with open(file, encoding="utf-8") as document:
        schemas = json.load(document)["components"]["schemas"]
    made = {}

    def make(name):
        if name in made:
            return
        lines, needed = model(name, schemas[name])
        for other in needed:
            make(other)
        made[name] = lines

    for name in ROOTS:
        make(name)
    print('"""What the service answers, made from its description by generate.py."""\n')
    print("from __future__ import annotations\n")
    print("from dataclasses import dataclass")
    print("from typing import Literal, Optional, Sequence")
    for lines in made.values():
        print("\n\n" + "\n".join(lines))


if __name__ == "__main__":
    main(sys.argv[1])
