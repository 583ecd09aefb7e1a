"""`python -m theseus_plugin`, and so `accelerate launch -m theseus_plugin`."""

from theseus_plugin.cli import main

if __name__ == "__main__":
    main()
