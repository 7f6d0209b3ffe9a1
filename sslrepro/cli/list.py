"""`list`: everything that has a name."""

import argparse
from typing import Any


def add(commands: Any) -> None:
    """The command's words."""
    sub = commands.add_parser("list", help="tables, methods, evaluations, data sets and profiles by name")
    sub.set_defaults(perform=show_lists)


def show_lists(settings: argparse.Namespace | None = None) -> None:
    """Everything that has a name."""
    from sslrepro import evaluate, methods, tables
    from sslrepro.data.recipes import RECIPES
    from sslrepro.parts.encoders import ENCODERS
    from sslrepro.study.profiles import PROFILES

    print("tables (make reproduce TABLE=<id>)")
    for name in tables.names():
        print(f"  {name:16} {tables.definition(name).question}")
    print("\nprofiles")
    for name, profile in PROFILES.items():
        print(f"  {name:16} {profile.where}")
    print(f"\nmethods          {', '.join(methods.names())}")
    print(f"evaluations      {', '.join(evaluate.names())}")
    print(f"view recipes     {', '.join(RECIPES)}")
    print(f"encoders         {', '.join(ENCODERS)}")
    print(
        "data             shapes, digits (embedded); cifar10, cifar100, stl10, tinyimagenet, any folder (--root);\n"
        "                 <set>-<level> for the labels of a level of its class tree"
    )
