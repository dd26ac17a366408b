# shellcheck shell=bash
# Wordings that readers stumble over, in messages, HELP, comments and documents.

step 'language: wordings that readers stumble over' python3 scripts/language-check.py
