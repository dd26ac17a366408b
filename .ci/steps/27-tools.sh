# shellcheck shell=bash
# What a new machine lacks, and how it comes there.

step 'tools: installed where they are missing, in a clean environment' scripts/tools-check.sh
step 'image: what cargo needs is in the context of docker build' python3 scripts/context-check.py
