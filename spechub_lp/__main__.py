from spechub_lp.cli import main

if __name__ == "__main__":
    main()
