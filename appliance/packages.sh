# shellcheck shell=bash
# Packages of Debian and Ubuntu: sourced by appliance/start and tests/run, does nothing alone.
# In: names. Out: they are installed, or the caller ends with one line that says what to do.

# What the build needs. Vectorscan is Hyperscan for other processors, with the same library name.
build_packages() {
    case "$(uname -m)" in
        x86_64) echo "build-essential pkg-config clang libclang-dev libhyperscan-dev" ;;
        *) echo "build-essential pkg-config clang libclang-dev libvectorscan-dev" ;;
    esac
}

# Of these names, those that are not installed.
missing_packages() {
    local name
    for name in "$@"; do
        [ "$(dpkg-query -W -f='${db:Status-Status}' "$name" 2>/dev/null)" = installed ] ||
            echo "$name"
    done
}

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n -- "$@"; fi
}

# Installs what is missing of these names; fails when that cannot be done. No questions are
# asked, and services of freshly installed packages are not started.
install_missing() {
    local missing policy=/usr/sbin/policy-rc.d made_policy=no log result=0
    missing=$(missing_packages "$@" | tr '\n' ' ')
    [ -n "${missing// /}" ] || return 0
    command -v apt-get >/dev/null || return 1
    echo "installing: $missing"
    log=$(mktemp)
    if [ ! -e "$policy" ] && printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null 2>&1; then
        made_policy=yes
        as_root chmod 755 "$policy"
    fi
    # shellcheck disable=SC2086
    { as_root apt-get update -q && as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install -q -y --no-install-recommends $missing; } >"$log" 2>&1 </dev/null || result=1
    [ "$made_policy" = no ] || as_root rm -f "$policy"
    [ "$result" = 0 ] || tail -n 5 "$log" >&2
    rm -f "$log"
    return "$result"
}

# Rust of at least the version that Cargo.toml names.
require_rust() {
    local wanted have
    command -v cargo >/dev/null || PATH="$HOME/.cargo/bin:$PATH"
    command -v cargo >/dev/null || return 1
    wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
    have=$(cargo --version | cut -d' ' -f2)
    [ "$(printf '%s\n%s\n' "$wanted" "$have" | sort -V | head -n 1)" = "$wanted" ]
}
