from spechub_lp.cli.gate import main

main()
