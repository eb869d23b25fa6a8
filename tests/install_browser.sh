#!/usr/bin/env bash
# Install the Chromium that the browser tests drive: Debian's package where we are
# root on Debian, else Playwright's own download. Where neither works the browser
# tests say so and skip (and fail where CI is set).
set -u
python=$1
for name in chromium chromium-browser google-chrome; do
    command -v "$name" >/dev/null && exit 0
done
echo "Installing Chromium for the browser tests …"
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    apt-get update -qq >/dev/null && apt-get install -y -qq chromium >/dev/null && exit 0
fi
"$python" -m playwright install chromium || echo "No Chromium could be installed: the browser tests will be skipped."
