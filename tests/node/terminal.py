"""Runs a program at a pseudo-terminal and types: terminal.py '[["prompt", "answer"], ..]' PROGRAM ARGUMENT ..

Each answer is typed once its prompt was shown and the terminal shows nothing of it. Everything shown goes to standard output, the exit code is the program's.
"""

import json
import os
import pty
import sys
import termios
import time

answers = json.loads(sys.argv[1])
child, terminal = pty.fork()
if child == 0:
    os.execv(sys.argv[2], sys.argv[2:])
shown, seen = b"", 0
while True:
    try:
        piece = os.read(terminal, 4096)
    except OSError:
        break  # Linux tells the end of the other side so.
    if not piece:
        break
    shown += piece
    if answers and (at := shown.find(answers[0][0].encode(), seen)) >= 0:
        seen = at + len(answers[0][0].encode())
        # A person is never as fast as this: the prompt comes before the terminal is told to be silent.
        while termios.tcgetattr(terminal)[3] & termios.ECHO:
            time.sleep(0.001)
        os.write(terminal, answers.pop(0)[1].encode() + b"\n")
sys.stdout.buffer.write(shown)
if answers:
    print(f"\nnever asked for: {answers[0][0]}")
    sys.exit(99)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
