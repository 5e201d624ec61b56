"""``python -m undertone`` is the command line."""

from undertone.cli import main

if __name__ == "__main__":
    main()
