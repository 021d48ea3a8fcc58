"""`python -m kdner` is the command `kdner`."""

from kdner.command import main

if __name__ == "__main__":
    main()
