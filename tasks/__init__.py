"""The workers' side of the program, and how a job comes to it."""

from tasks.worker.program import begin_program

begin_program()
