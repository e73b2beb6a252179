from spechub_lp.gate.command import main

main()
