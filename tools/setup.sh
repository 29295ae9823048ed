#!/bin/sh
# Installs what Tandem needs: Debian packages, then a virtual environment. Shell, because Python's environment is what it
# makes. Safe to run again: what is there is left alone. Usage: tools/setup.sh [dev | counter]
set -eu
cd "$(dirname "$0")/.."

fail() { echo "error: $1" >&2; exit 1; }

[ "$(uname -s)" = Linux ] || fail "Linux is needed, this is $(uname -s): use a Debian 12 machine or virtual machine"
[ "$(id -u)" = 0 ] || fail "root is needed (namespaces, nftables, packages): run it with sudo"

packages="nftables libnftables1 iproute2 util-linux catatonit unbound bird2 wireguard-go conntrack tcpdump curl python3 python3-venv python3-grpcio"
if [ "${1:-}" = dev ]; then
    packages="$packages wrk dnsperf iperf3 libcap2-bin procps openssl"
    # A server that speaks first, and its client: the programs alone, which start no service.
    packages="$packages mariadb-server-core mariadb-client-core"
    packages="$packages containerd runc podman conmon busybox-static containernetworking-plugins"
    # cnitool is made of Debian's own sources: libcni of the -dev package, the program of the source package.
    packages="$packages golang-go golang-github-appc-cni-dev"
    command -v kubectl >/dev/null || packages="$packages kubernetes-client"
fi
case "${1:-}" in dev | counter)
    packages="$packages redis-server golang-go golang-google-grpc-dev golang-github-gomodule-redigo-dev" ;;
esac
missing=""
for package in $packages; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
done
if [ -n "$missing" ]; then
    command -v apt-get >/dev/null || fail "these Debian packages are missing and there is no apt-get:$missing"
    echo "installing Debian packages:$missing"
    export DEBIAN_FRONTEND=noninteractive
    # Each node starts daemons of its own: the services of these packages, which would serve this machine, stay off.
    off=""
    case "$missing" in *unbound*) off="unbound" ;; esac
    case "$missing" in *bird2*) off="$off bird" ;; esac
    case "$missing" in *redis-server*) off="$off redis-server" ;; esac
    if [ -n "$off" ] && [ -d /run/systemd/system ]; then
        # shellcheck disable=SC2064,SC2086 # the services as they are now, one word each
        trap "systemctl --quiet unmask $off; systemctl --quiet disable $off || true" EXIT
        # shellcheck disable=SC2086 # one word per service
        systemctl --quiet mask $off
    fi
    # shellcheck disable=SC2086 # one word per package
    apt-get install -y -qq --no-install-recommends $missing >/dev/null 2>&1 ||
        { apt-get update -qq && apt-get install -y -qq --no-install-recommends $missing >/dev/null; } ||
        fail "apt-get could not install:$missing"
fi

python=${PYTHON:-python3}
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || fail "Python 3.11 or newer is needed, $python is older"

extra=""
[ "${1:-}" = dev ] && extra="[dev]"
stamp=".venv/.installed${extra:+-dev}"
if [ ! -e "$stamp" ] || [ pyproject.toml -nt "$stamp" ] || [ constraints.txt -nt "$stamp" ]; then
    echo "installing Tandem into .venv"
    [ -x .venv/bin/python ] || "$python" -m venv .venv
    .venv/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ./cni -e ".$extra" ||
        fail "pip could not install Tandem; the lines above say why"
    touch "$stamp"
fi

if [ "${1:-}" = dev ] && [ ! -x .venv/bin/cnitool ]; then
    echo "building cnitool into .venv"
    there=$PWD scratch=$(mktemp -d)
    mkdir -p "$scratch/sources" "$scratch/lists/partial"
    chmod 755 "$scratch"
    if [ -e /etc/apt/sources.list.d/debian.sources ]; then
        sed 's/^Types:.*/Types: deb-src/' /etc/apt/sources.list.d/debian.sources > "$scratch/sources/debian.sources"
    else
        sed -n 's/^deb /deb-src /p' /etc/apt/sources.list > "$scratch/sources/debian.list"
    fi
    apt="-qq -o Dir::Etc::SourceList=/dev/null -o Dir::Etc::SourceParts=$scratch/sources -o Dir::State::Lists=$scratch/lists"
    # shellcheck disable=SC2086 # one word per option
    ( cd "$scratch" && apt-get $apt update && apt-get $apt source --download-only golang-github-appc-cni &&
        tar -xf ./*.orig.tar.* && cd ./*/cnitool &&
        GO111MODULE=off GOPATH=/usr/share/gocode GOCACHE="$scratch/cache" go build -o "$there/.venv/bin/cnitool" . ) \
        >"$scratch.log" 2>&1 || fail "cnitool could not be built; $scratch.log says why"
    rm -rf "$scratch" "$scratch.log"
fi

case "${1:-}" in dev | counter)
    if [ -n "$(find counter -name '*.go' -newer .venv/bin/tandem-counter 2>&1)" ]; then
        echo "building tandem-counter into .venv"
        there=$PWD
        ( cd counter && GO111MODULE=off GOPATH=/usr/share/gocode GOCACHE="$there/.venv/.go" \
            go build -o "$there/.venv/bin/tandem-counter" . ) || fail "tandem-counter could not be built"
    fi ;;
esac
