"""`python -m fedsight` is the command `fedsight`."""

from fedsight.cli import main

if __name__ == "__main__":
    main()
