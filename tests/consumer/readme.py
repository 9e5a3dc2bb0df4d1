#!/usr/bin/env python3
"""readme.py README FOLDER PREFIX: does what README says, as it stands, in an empty folder.

A fenced block with a second word is part of the walk-through:
    ```c hello.c      the file hello.c (any language, any file name)
    ```sh run         commands, in order; they see the installation in PREFIX as if it were the system's
    ```text output    what all of them together print on standard output
"""
import os
import pathlib
import re
import shutil
import subprocess
import sys

readme, folder, prefix = sys.argv[1:]
shutil.rmtree(folder, ignore_errors=True)
os.makedirs(folder)

commands, expected, files = [], None, 0
text = pathlib.Path(readme).read_text()
for role, body in re.findall(r"^```\w+ (\S+)\n(.*?)^```$", text, re.M | re.S):
    if role == "run":
        commands.append(body)
    elif role == "output":
        expected = body
    else:
        pathlib.Path(folder, role).write_text(body)
        files += 1
if not commands or not files or expected is None:
    sys.exit(f"{readme}: no walk-through (needs file blocks, a run block and an output block)")

pc = next(pathlib.Path(prefix).rglob("gyre.pc")).parent
environment = dict(os.environ, PKG_CONFIG_PATH=str(pc), LD_LIBRARY_PATH=str(pc.parent))
environment["PATH"] = f"{prefix}/bin:{environment['PATH']}"
done = subprocess.run(["bash", "-euo", "pipefail", "-c", "".join(commands)], cwd=folder, env=environment,
                      stdout=subprocess.PIPE, text=True, timeout=240)
sys.stdout.write(done.stdout)
if done.returncode != 0:
    sys.exit(f"{readme}: its commands end with {done.returncode}")
if done.stdout != expected:
    sys.exit(f"{readme}: it promises\n{expected}")
