#!/bin/sh
# Just enough of the engines for the gate's adapters on a machine without a GPU: wheels without their dependencies,
# whose kernels Triton interprets. About 650 MB to download. Use an environment of its own:
#
#     python -m venv engines && . engines/bin/activate
#     pip install -c lock.txt --extra-index-url https://download.pytorch.org/whl/cpu -e '.[test]'
#     sh scripts/install_engines.sh
#     TRITON_INTERPRET=1 spechub-lp gate sglang_chain --budget 150
#     TRITON_INTERPRET=1 spechub-lp gate vllm_v1 --budget 400
set -eu
python -m pip install --no-deps "transformers>=4.50"
python -m pip install --no-deps "triton==3.9.0"
python -m pip install --no-deps "sglang==0.5.23"
python -m pip install --no-deps "vllm==0.33.0"
