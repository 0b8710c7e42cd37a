#!/bin/sh
# Writes a tar with a small root file system made from this machine's own programs, for `docker import` where no registry can be
# reached: node, a shell, and what the image's processes call, each with the libraries it is linked to.
set -eu
programs="node sh bash cat ls cp mv ln rm mkdir rmdir touch chmod sleep env echo id head tail wc date hostname grep sed sort tr dd stty true false test
  dirname basename readlink kill ps ip nft unshare nsenter mount umount ldd tar find which"
folder=$(mktemp -d /tmp/lenj-rootfs-XXXXXX)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
mkdir -p usr/bin usr/sbin usr/lib usr/lib64 etc proc sys dev tmp run var/lib root
chmod 1777 tmp
for name in bin sbin lib lib64; do ln -s "usr/$name" "$name"; done

take() {
  path=$1
  case "$path" in /usr/*) inside=$path ;; *) inside=/usr$path ;; esac
  [ -e ".$inside" ] && return
  mkdir -p ".$(dirname "$inside")"
  cp -L "$path" ".$inside"
}

for program in $programs; do
  path=$(PATH=/usr/bin:/bin:/usr/sbin:/sbin:/usr/local/bin command -v "$program" || true)
  case "$path" in /*) ;; *) path=/usr/bin/$program ;; esac
  if [ ! -e "$path" ]; then
    echo "not on this machine, left out: $program" >&2
    continue
  fi
  path=$(readlink -f "$path")
  take "$path"
  [ "$(basename "$path")" = "$program" ] || cp -L "$path" "usr/bin/$program"
  case "$path" in /usr/local/bin/*) cp -L "$path" "usr/bin/$program" ;; esac
  for library in $(ldd "$path" 2> /dev/null | grep -o '/[^ ]*'); do take "$library"; done
done
for library in libnss_files.so.2 libnss_dns.so.2 libresolv.so.2; do
  found=$(find /lib /usr/lib -maxdepth 2 -name "$library" 2> /dev/null | head -n 1)
  [ -z "$found" ] || take "$found"
done
[ ! -d /etc/iproute2 ] || cp -rL /etc/iproute2 etc/
echo 'root:x:0:0:root:/root:/bin/sh' > etc/passwd
echo 'root:x:0:' > etc/group
echo 'hosts: files dns' > etc/nsswitch.conf
ldconfig -r . 2> /dev/null || true
tar --create --numeric-owner --owner=0 --group=0 .
