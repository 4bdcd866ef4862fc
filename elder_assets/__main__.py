"""`python -m elder_assets` is `elder`."""

from elder_assets.cli import main

if __name__ == "__main__":
    main()
