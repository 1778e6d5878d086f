"""``python -m sanctum_messaging`` is the command ``sanctum``."""

from sanctum_messaging.cli import main

if __name__ == "__main__":
    main(prog_name="sanctum")
