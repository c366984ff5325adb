#!/usr/bin/env python3
"""Cuts the operations that the fakes of ticket systems know from a published API description.

    cut.py github|jira ORIGINAL.json > github.json|jira.json

Kept: the operations below, their parameters, JSON request bodies and the schemas of their
successful JSON answers, with every schema that these refer to. Dropped: prose, examples, tags,
extensions and answers that report a failure. References to parameters and answers are replaced by
what they refer to; schemas stay where they are, under components. OpenAPI 3.0's `nullable` becomes
a type of its own, so that the result is OpenAPI 3.1, whose schemas are JSON Schema 2020-12.
"""

import json
import pathlib
import sys

OPERATIONS = {
    "github": [
        ("get", "/app/installations/{installation_id}"),
        ("post", "/app/installations/{installation_id}/access_tokens"),
        ("get", "/installation/repositories"),
        ("get", "/rate_limit"),
        ("get", "/repos/{owner}/{repo}"),
        ("get", "/repos/{owner}/{repo}/issues"),
        ("post", "/repos/{owner}/{repo}/issues"),
        ("get", "/repos/{owner}/{repo}/issues/comments/{comment_id}"),
        ("get", "/repos/{owner}/{repo}/issues/{issue_number}"),
        ("get", "/repos/{owner}/{repo}/issues/{issue_number}/comments"),
        ("post", "/repos/{owner}/{repo}/issues/{issue_number}/comments"),
        ("get", "/repos/{owner}/{repo}/labels"),
        ("get", "/search/issues"),
        ("get", "/user"),
    ],
    "jira": [
        ("post", "/rest/api/3/issue"),
        ("get", "/rest/api/3/issue/{issueIdOrKey}"),
        ("get", "/rest/api/3/issue/{issueIdOrKey}/comment"),
        ("post", "/rest/api/3/issue/{issueIdOrKey}/comment"),
        ("get", "/rest/api/3/issue/{issueIdOrKey}/comment/{id}"),
        ("get", "/rest/api/3/mypermissions"),
        ("get", "/rest/api/3/myself"),
        ("get", "/rest/api/3/project/{projectIdOrKey}"),
        ("get", "/rest/api/3/search/jql"),
        ("post", "/rest/api/3/search/jql"),
    ],
}
PROSE = {
    "description", "summary", "title", "example", "examples", "externalDocs", "deprecated",
    "default", "xml", "discriminator", "readOnly", "writeOnly", "operationId", "tags",
}
# Names below which every key is a name that the interface chose, not a keyword.
NAMED = {"properties", "schemas", "patternProperties"}


def follow(reference, document):
    node = document
    for step in reference.removeprefix("#/").split("/"):
        node = node[step.replace("~1", "/").replace("~0", "~")]
    return node


def clean(node):
    """A schema without prose, with `nullable` as JSON Schema says it."""
    if isinstance(node, list):
        return [clean(item) for item in node]
    if not isinstance(node, dict):
        return node
    kept = {}
    for key, value in node.items():
        if key in NAMED:
            kept[key] = {name: clean(schema) for name, schema in value.items()}
        elif key in {"enum", "required"}:
            kept[key] = list(value)
        elif key not in PROSE and key != "nullable" and not key.startswith("x-"):
            kept[key] = clean(value)
    if node.get("nullable") is not True:
        return kept
    if isinstance(kept.get("type"), str):
        kept["type"] = [kept["type"], "null"]
        if "enum" in kept and None not in kept["enum"]:
            kept["enum"].append(None)
        return kept
    return {"anyOf": [kept, {"type": "null"}]}


def schema_of(content):
    return content.get("application/json", {}).get("schema")


def parameter(node, document):
    node = follow(node["$ref"], document) if "$ref" in node else node
    kept = {"name": node["name"], "in": node["in"]}
    kept |= {"required": True} if node.get("required") else {}
    kept |= {"explode": node["explode"]} if "explode" in node else {}
    return kept | {"schema": clean(node["schema"])}


def operation(node, shared, document):
    kept = {}
    parameters = [parameter(item, document) for item in shared + node.get("parameters", [])]
    if parameters:
        kept["parameters"] = parameters
    body = node.get("requestBody")
    if body:
        schema = clean(schema_of(body["content"]))
        kept["requestBody"] = {
            "required": body.get("required", False),
            "content": {"application/json": {"schema": schema}},
        }
    kept["responses"] = {}
    for status, answer in node["responses"].items():
        answer = follow(answer["$ref"], document) if "$ref" in answer else answer
        schema = schema_of(answer.get("content", {})) if status.startswith("2") else None
        if schema is not None:
            content = {"application/json": {"schema": clean(schema)}}
            kept["responses"][status] = {"description": "", "content": content}
    return kept


def references(node):
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "$ref" and isinstance(value, str):
                yield value
            else:
                yield from references(value)
    elif isinstance(node, list):
        for item in node:
            yield from references(item)


def cut(name, document):
    paths = {}
    for method, path in OPERATIONS[name]:
        node = document["paths"][path]
        kept = operation(node[method], node.get("parameters", []), document)
        paths.setdefault(path, {})[method] = kept
    schemas, waiting = {}, list(references(paths))
    while waiting:
        reference = waiting.pop()
        schema = reference.removeprefix("#/components/schemas/")
        if schema not in schemas:
            schemas[schema] = clean(follow(reference, document))
            waiting.extend(references(schemas[schema]))
    info = {key: document["info"][key] for key in ("title", "version", "license")}
    return {
        "openapi": "3.1.0",
        "info": info,
        "paths": paths,
        "components": {"schemas": dict(sorted(schemas.items()))},
    }


def main():
    name, original = sys.argv[1:]
    document = json.loads(pathlib.Path(original).read_text())
    supplement = pathlib.Path(__file__).with_name(f"{name}-supplement.json")
    if supplement.exists():
        added = json.loads(supplement.read_text())
        document["paths"] |= added["paths"]
        document["components"]["schemas"] |= added["components"]["schemas"]
    print(json.dumps(cut(name, document), indent=1))


main()
