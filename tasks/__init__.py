"""The workers' side: how a job is submitted, dispatched and executed."""

from tasks.worker.program import begin_program

begin_program()
