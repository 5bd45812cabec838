"""A course of two exercises whose tests are plain programs that speak the protocol: built and run in seconds."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

COURSEKIT = Path(__file__).resolve().parents[1]

CMAKE = """
cmake_minimum_required(VERSION 3.25)
project(small LANGUAGES CXX)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
set(mine ${CMAKE_SOURCE_DIR}/module1-x)
set(reference ${CMAKE_SOURCE_DIR}/solutions/module1-x)
function(one target name)
  add_executable(${target} module1-x/tests/${target}.cc)
  foreach(other alpha beta)
    set(from ${reference})
    if(RT_PRIOR STREQUAL "mine" OR (other STREQUAL name AND NOT RT_SUBJECT STREQUAL "solutions"))
      set(from ${mine})
    endif()
    file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/overlay/${name}/rt/room/${other}.h CONTENT "#include \\"${from}/include/rt/room/${other}.h\\"\\n")
  endforeach()
  target_include_directories(${target} PRIVATE ${CMAKE_BINARY_DIR}/overlay/${name} ${CMAKE_SOURCE_DIR}/module1-x/given)
endfunction()
one(alpha_test alpha)
one(beta_test beta)
one(beta_stress_test beta)
"""

PRESETS = {
    "version": 6,
    "configurePresets": [
        {
            "name": name,
            "generator": "Ninja",
            "binaryDir": "${sourceDir}/build/${presetName}",
            "cacheVariables": {
                "RT_SUBJECT": subject,
                "RT_PRIOR": prior,
                "CMAKE_CXX_FLAGS": "-Wall",
            },
        }
        for name, subject, prior in (
            ("learner", "learner", "solutions"),
            ("solutions", "solutions", "solutions"),
            ("whole", "learner", "mine"),
        )
    ],
}

EXERCISES = """
module = "module1-x"
title = "What is small?"
[[exercise]]
id = "1.1"
slug = "alpha"
title = "The first letter"
files = ["include/rt/room/alpha.h"]
points = 10
minutes = 5
forbid = [{ pattern = '\\bgoto\\b', hint = "a loop says it better" }]
[[exercise]]
id = "1.2"
slug = "beta"
title = "The second letter"
files = ["include/rt/room/beta.h"]
needs = ["1.1"]
points = 20
minutes = 5
"""

KIT = r"""
#pragma once
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <unistd.h>
[[noreturn]] inline void todo(const char* id) {
  std::fprintf(stderr, "exercise %s is not written yet\n", id);
  std::_Exit(42);
}
#define RT_TODO(id) todo(id)
#define TEST(S, N) int S##N();
inline void say(const std::string& text) {
  const char* fd = std::getenv("RT_RESULT_FD");
  if (fd && write(std::atoi(fd), (text + "\n").c_str(), text.size() + 1) < 0) std::_Exit(9);
}
inline int run(int argc, char** argv, const char* suite, bool (*test)()) {
  if (argc > 1 && std::strcmp(argv[1], "--gtest_list_tests") == 0) return std::printf("%s.\n  Works\n", suite) < 0;
  const std::string name = std::string("\"test\":\"") + suite + ".Works\"";
  say("{\"event\":\"start\"," + name + "}");
  const bool ok = test();
  if (!ok) say("{\"event\":\"failure\"," + name + ",\"file\":\"" __FILE__ "\",\"line\":5,\"message\":\"expected 1\"}");
  say("{\"event\":\"end\"," + name + ",\"ok\":" + (ok ? "true" : "false") + "}");
  return ok ? 0 : 1;
}
"""

ALPHA = '#pragma once\n#include "kit.h"\ninline int alpha() {\n  return 1;\n}\n'
ALPHA_STUB = ALPHA.replace("return 1;", 'RT_TODO("1.1");')
BETA = '#pragma once\n#include "rt/room/alpha.h"\ninline int beta() {\n  return alpha() + 1;\n}\n'
BETA_STUB = BETA.replace("return alpha() + 1;", 'RT_TODO("1.2");')


def test_source(name: str, suite: str, expected: int) -> str:
    return (
        f'#include "kit.h"\n#include "rt/room/{name}.h"\n'
        f"// Bug it is here for: {name} off by one.\nTEST({suite}, Works)\n"
        f'int main(int c, char** v) {{ return run(c, v, "{suite}", [] {{ return {name}() == {expected}; }}); }}\n'
    )


test_source.__test__ = False  # type: ignore[attr-defined]


@dataclass(frozen=True)
class Tree:
    root: Path

    def learner(self, name: str) -> Path:
        return self.root / "module1-x/include/rt/room" / f"{name}.h"

    def environment(self) -> dict[str, str]:
        return {**os.environ, "XDG_CACHE_HOME": str(self.root.parent / "cache")}

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-I", str(self.root / "scripts/coursekit"), *arguments]

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*arguments),
            capture_output=True,
            text=True,
            check=False,
            env=self.environment(),
            cwd="/",
        )

    def states(self, *arguments: str) -> dict[str, str]:
        answer = self.run("check", "--json", *arguments)
        assert answer.stdout, answer.stderr
        return {e["id"]: e["state"] for e in json.loads(answer.stdout)["exercises"]}


@pytest.fixture(scope="module")
def built_tree(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    root = tmp_path_factory.mktemp("a place") / "my course"
    module = root / "module1-x"
    for folder in ("include/rt/room", "tests", "given"):
        (module / folder).mkdir(parents=True)
    (root / "solutions/module1-x/include/rt/room").mkdir(parents=True)
    (root / "CMakeLists.txt").write_text(CMAKE)
    (root / "CMakePresets.json").write_text(json.dumps(PRESETS))
    (module / "exercises.toml").write_text(EXERCISES)
    (module / "given/kit.h").write_text(KIT)
    (module / "tests/alpha_test.cc").write_text(test_source("alpha", "Alpha", 1))
    (module / "tests/beta_test.cc").write_text(test_source("beta", "Beta", 2))
    (module / "tests/beta_stress_test.cc").write_text(test_source("beta", "BetaStress", 2))
    for name, text in (("alpha", ALPHA), ("beta", BETA)):
        (root / f"solutions/module1-x/include/rt/room/{name}.h").write_text(text)
    shutil.copytree(
        COURSEKIT, root / "scripts/coursekit", ignore=shutil.ignore_patterns("tests", "__pycache__")
    )
    return Tree(root)


@pytest.fixture
def tree(built_tree: Tree) -> Iterator[Tree]:
    """Untouched stubs and no progress; what is built stays built."""
    for name, text in (("alpha", ALPHA_STUB), ("beta", BETA_STUB)):
        path = built_tree.learner(name)
        if path.is_dir():
            path.rmdir()
        path.write_text(text)
    (built_tree.root / ".course/progress.json").unlink(missing_ok=True)
    yield built_tree
