"""`python -m fedsight` is the command `fedsight`."""

from fedsight.starting import leave_working_directory

if __name__ == "__main__":
    leave_working_directory()
    from fedsight.cli import main

    main()
