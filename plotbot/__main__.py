import sys

from plotbot.commands import main

sys.exit(main())
