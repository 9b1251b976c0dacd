"""The command line.

Each module declares one command or one group of commands: options, help texts and what is done. `app` registers them.
Whatever takes long to import (torch, av, the data sets) is imported inside the commands, so that help is instant and a
mistake in the options is reported at once. A command raises `UserError` for input that cannot be used, and `typer.Exit`
for any other exit code than 0; `app.main` turns errors into one line.
"""
