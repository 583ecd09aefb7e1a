"""`python -m theseus_plugin`, and so `accelerate launch -m theseus_plugin`."""

from theseus_plugin.cli import main
from theseus_plugin.launching.ranks import start_missing_ranks

if __name__ == "__main__":
    start_missing_ranks()
    main()
