#!/usr/bin/env bash
# The fake cloud's page in headless Chromium, through ChromeDriver: what it shows, what it shows as it comes, and that
# it shows no value.
set -euo pipefail
cd "$(dirname "$0")/../.."

scripts/debian.sh chromium=chromium chromedriver=chromium-driver
cargo build --quiet --locked -p harness --bin fake-cloud
python3 harness/browser/page.py target/debug/fake-cloud
