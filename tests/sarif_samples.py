"""SARIF in the shapes that real tools write it: small files of our own, for the tests of the import."""

from __future__ import annotations

import json
from typing import Any


def log(*runs: dict[str, Any], version: str = "2.1.0") -> bytes:
    return json.dumps({"$schema": "https://example.org/sarif.json", "version": version, "runs": list(runs)}).encode()


def run(tool: str = "scan", *results: dict[str, Any], rules: list[dict[str, Any]] | None = None, **more: Any) -> Any:
    return {"tool": {"driver": {"name": tool, "rules": rules or []}}, "results": list(results), **more}


def at(uri: str, line: int = 0, base: str = "", snippet: str = "") -> list[dict[str, Any]]:
    place: dict[str, Any] = {"artifactLocation": {"uri": uri}}
    if base:
        place["artifactLocation"]["uriBaseId"] = base
    if line:
        place["region"] = {"startLine": line}
    if snippet:
        place.setdefault("region", {})["snippet"] = {"text": snippet}
    return [{"physicalLocation": place}]


def result(rule: str = "R1", uri: str = "shop/basket.py", line: int = 3, text: str = "wrong", **more: Any) -> Any:
    return {"ruleId": rule, "message": {"text": text}, "locations": at(uri, line), **more}


CODEQL = log(
    {
        "tool": {
            "driver": {"name": "CodeQL", "organization": "GitHub", "semanticVersion": "2.20.1"},
            "extensions": [
                {"name": "legacy", "rules": []},
                {
                    "name": "codeql/python-queries",
                    "semanticVersion": "1.4.0",
                    "rules": [
                        {
                            "id": "py/sql-injection",
                            "name": "py/sql-injection",
                            "shortDescription": {"text": "SQL query built from user-controlled sources"},
                            "help": {
                                "text": "# SQL query\nUse parameters.",
                                "markdown": "# SQL query\nUse parameters.",
                            },
                            "defaultConfiguration": {"enabled": True, "level": "error"},
                            "properties": {
                                "tags": ["security", "external/cwe/cwe-089"],
                                "security-severity": "8.8",
                                "precision": "high",
                            },
                        }
                    ],
                },
            ],
        },
        "artifacts": [{"location": {"uri": "shop/orders.py", "uriBaseId": "%SRCROOT%", "index": 0}}],
        "columnKind": "unicodeCodePoints",
        "results": [
            {
                "ruleId": "py/sql-injection",
                "rule": {"id": "py/sql-injection", "index": 0, "toolComponent": {"index": 1}},
                "message": {"text": "This SQL query depends on a [user-provided value](1)."},
                "locations": [
                    {
                        "physicalLocation": {
                            "artifactLocation": {"uri": "shop/orders.py", "uriBaseId": "%SRCROOT%", "index": 0},
                            "region": {"startLine": 12, "startColumn": 5, "endColumn": 30},
                        }
                    }
                ],
                "partialFingerprints": {
                    "primaryLocationLineHash": "39fa2ee980eb94b0:1",
                    "primaryLocationStartColumnFingerprint": "4",
                },
            }
        ],
    }
)

ESLINT = log(
    {
        "tool": {
            "driver": {
                "name": "ESLint",
                "informationUri": "https://eslint.org",
                "version": "9.1.0",
                "rules": [
                    {
                        "id": "no-unused-vars",
                        "helpUri": "https://eslint.org/docs/latest/rules/no-unused-vars",
                        "properties": {"category": ""},
                        "shortDescription": {"text": "Disallow unused variables"},
                    }
                ],
            }
        },
        "invocations": [{"executionSuccessful": True, "workingDirectory": {"uri": "file:///checkout/shop/"}}],
        "artifacts": [{"location": {"uri": "file:///checkout/shop/web/cart.js"}}],
        "results": [
            {
                "level": "error",
                "message": {"text": "'total' is assigned a value but never used."},
                "locations": at("file:///checkout/shop/web/cart.js", 7, snippet="const total = 0"),
                "ruleId": "no-unused-vars",
                "ruleIndex": 0,
                "suppressions": [],
            }
        ],
    }
)

SEMGREP = log(
    {
        "tool": {
            "driver": {
                "name": "Semgrep OSS",
                "semanticVersion": "1.90.0",
                "rules": [
                    {
                        "id": "python.lang.security.audit.exec",
                        "name": "python.lang.security.audit.exec",
                        "fullDescription": {"text": "exec of what came from outside"},
                        "help": {"markdown": "Do not call `exec`.", "text": "Do not call exec."},
                        "defaultConfiguration": {"level": "warning"},
                        "properties": {
                            "precision": "very-high",
                            "tags": ["CWE-95: Improper Neutralization of Directives", "LOW CONFIDENCE", "security"],
                        },
                    }
                ],
            }
        },
        "invocations": [{"executionSuccessful": True, "toolExecutionNotifications": []}],
        "results": [
            {
                "fingerprints": {"matchBasedId/v1": "requires login"},
                "locations": at("shop/run.py", 2, base="%SRCROOT%", snippet="exec(line)"),
                "message": {"text": "exec of what came from outside"},
                "properties": {},
                "ruleId": "python.lang.security.audit.exec",
            }
        ],
    }
)

TRIVY = log(
    {
        "tool": {
            "driver": {
                "fullName": "Trivy Vulnerability Scanner",
                "name": "Trivy",
                "version": "0.57.0",
                "rules": [
                    {
                        "id": "CVE-2020-8203",
                        "name": "LanguageSpecificPackageVulnerability",
                        "shortDescription": {"text": "nodejs-lodash: prototype pollution"},
                        "defaultConfiguration": {"level": "error"},
                        "helpUri": "https://avd.aquasec.com/nvd/cve-2020-8203",
                        "help": {"text": "Vulnerability CVE-2020-8203\nFixed Version: 4.17.19", "markdown": "**x**"},
                        "properties": {"security-severity": "7.4", "tags": ["vulnerability", "security", "HIGH"]},
                    }
                ],
            }
        },
        "columnKind": "utf16CodeUnits",
        "originalUriBaseIds": {"ROOTPATH": {"uri": "file:///"}},
        "results": [
            {
                "ruleId": "CVE-2020-8203",
                "ruleIndex": 0,
                "level": "error",
                "message": {"text": "Package: lodash\nInstalled Version: 4.17.4"},
                "locations": [
                    {
                        "physicalLocation": {
                            "artifactLocation": {"uri": "web/package-lock.json", "uriBaseId": "ROOTPATH"},
                            "region": {"startLine": 1, "startColumn": 1, "endLine": 1, "endColumn": 1},
                        },
                        "message": {"text": "web/package-lock.json: lodash@4.17.4"},
                    }
                ],
            }
        ],
    }
)

GITLEAKS = log(
    {
        "tool": {
            "driver": {
                "name": "gitleaks",
                "semanticVersion": "v8.0.0",
                "informationUri": "https://github.com/gitleaks/gitleaks",
                "rules": [{"id": "aws-access-token", "shortDescription": {"text": "AWS credentials"}}],
            }
        },
        "results": [
            {
                "message": {"text": "aws-access-token has detected secret for file deploy/env.py at commit 1a2b."},
                "ruleId": "aws-access-token",
                "locations": at("deploy/env.py", 4, snippet="an example, no key"),
                "partialFingerprints": {
                    "commitSha": "1a2b",
                    "email": "anna@example.org",
                    "author": "Anna",
                    "date": "2026-01-05T10:00:00Z",
                    "commitMessage": "add settings",
                },
                "properties": {"tags": []},
            }
        ],
    }
)

RUFF = log(
    {
        "tool": {
            "driver": {
                "informationUri": "https://github.com/astral-sh/ruff",
                "name": "ruff",
                "version": "0.17.5",
                "rules": [
                    {
                        "fullDescription": {"text": "Checks for unused imports."},
                        "help": {"text": "`{name}` imported but unused"},
                        "helpUri": "https://docs.astral.sh/ruff/rules/unused-import",
                        "id": "F401",
                        "properties": {"id": "F401", "kind": "Pyflakes", "name": "unused-import"},
                        "shortDescription": {"text": "`{name}` imported but unused"},
                    }
                ],
            }
        },
        "results": [
            {
                "fixes": [
                    {"artifactChanges": [], "description": {"text": "Remove unused import: `os`"}},
                ],
                "level": "error",
                "locations": at("file:///checkout/shop/basket.py", 1),
                "message": {"text": "`os` imported but unused"},
                "ruleId": "F401",
            }
        ],
    }
)

BANDIT = log(
    {
        "tool": {
            "driver": {
                "name": "Bandit",
                "organization": "PyCQA",
                "semanticVersion": "1.8.0",
                "rules": [
                    {
                        "id": "B105",
                        "name": "hardcoded_password_string",
                        "properties": {"tags": ["security", "external/cwe/cwe-259"], "precision": "medium"},
                        "helpUri": "https://bandit.readthedocs.io/en/1.8.0/plugins/b105.html",
                    }
                ],
            }
        },
        "invocations": [{"executionSuccessful": True, "endTimeUtc": "2026-01-05T10:00:00Z"}],
        "properties": {"metrics": {"_totals": {"loc": 3}}},
        "results": [
            {
                "message": {"text": "Possible hardcoded password: 'hunter2'"},
                "level": "note",
                "locations": at("deploy/env.py", 5, snippet='PASSWORD = "hunter2"'),
                "properties": {"issue_confidence": "MEDIUM", "issue_severity": "LOW"},
                "ruleId": "B105",
                "ruleIndex": 0,
            }
        ],
    }
)

MSVC = b"\xef\xbb\xbf" + log(
    {
        "tool": {
            "driver": {
                "name": "PREfast",
                "fullName": "PREfast Code Analysis",
                "version": "14.40.33807.0",
                "rules": [
                    {"id": "C6001", "messageStrings": {"default": {"text": "Using uninitialized memory '{0}'."}}}
                ],
            }
        },
        "originalUriBaseIds": {"SRCROOT": {"uri": "file:///C:/Code/Shop"}},
        "results": [
            {
                "ruleId": "C6001",
                "message": {"id": "default", "arguments": ["total"]},
                "level": "warning",
                "locations": at("file:///c:/Code/Shop/src/basket%20one.cpp", 21),
                "kind": "fail",
            }
        ],
    }
)
