# shellcheck shell=bash
# What unsafe code ships is known, and every dependency has its reason. Bans and licences are in .ci/run itself.

step 'supply chain: unsafe code in dependencies, reasons for each' python3 scripts/supply-chain.py
