"""`python -m kdner` is the command `kdner`."""

from kdner.command import main

main()
