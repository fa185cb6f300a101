#!/bin/bash
# collect.sh TARGET PROGRAM…: puts programs and the libraries that they load into TARGET, as the root of an image that has
# nothing else: no shell, no package manager. Of each Debian package that a library is from go along what scanners read
# (var/lib/dpkg/status.d, as in other images of this kind) and its licence.
set -euo pipefail

target=$1
shift

# The links between directories (/lib to usr/lib) are resolved, so that every file is where its package has it.
copy() {
    local path package
    path=$(realpath "$(dirname "$1")")/$(basename "$1")
    mkdir -p "$target$(dirname "$path")"
    cp --dereference --preserve=mode,timestamps "$path" "$target$path"
    if package=$(owner "$path" || owner "${path#/usr}"); then
        mkdir -p "$target/var/lib/dpkg/status.d" "$target/usr/share/doc/$package"
        dpkg-query --status "$package" >"$target/var/lib/dpkg/status.d/$package"
        cp --dereference "/usr/share/doc/$package/copyright" "$target/usr/share/doc/$package/"
    fi
}

# The package of a file; none has Node, which is not Debian's.
owner() {
    dpkg-query --search "$1" 2>/dev/null | cut -d: -f1
}

mkdir -p "$target/usr/bin" "$target/usr/sbin" "$target/usr/lib" "$target/usr/lib64"
for directory in bin sbin lib lib64; do ln -sfn "usr/$directory" "$target/$directory"; done

for program in "$@"; do
    copy "$program"
    for library in $(ldd "$program" | grep -o '/[^ ]*'); do copy "$library"; done
done
