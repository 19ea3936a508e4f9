#!/bin/sh
# First program under Debian's kernel, in its RAM disk: modules, verity root, then the box's own
# first program. The hardened kernel needs none of this. It is not part of the root partition.
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
for module in /modules/*; do insmod "$module" || echo "early: $module" >/dev/kmsg; done

table=$(sed -n 's/.*postern\.table="\([^"]*\)".*/\1/p' /proc/cmdline)
slot=$(sed -n 's/.*postern\.slot=\([ab]\).*/\1/p' /proc/cmdline)
device=
tries=0
while [ -z "$device" ] && [ "$tries" -lt 600 ]; do
    for uevent in /sys/class/block/*/uevent; do
        if grep -q "^PARTNAME=postern-root-$slot\$" "$uevent"; then
            device=/dev/$(basename "$(dirname "$uevent")")
        fi
    done
    [ -n "$device" ] || { tries=$((tries + 1)); usleep 50000; }
done
table=$(echo "$table" | sed "s#PARTLABEL=postern-root-$slot#$device#g")
if dmsetup create --noudevsync --noudevrules --readonly vroot --table "$table" >/dev/kmsg 2>&1; then
    mknod /dev/dm-0 b "$(cut -d: -f1 /sys/block/dm-0/dev)" "$(cut -d: -f2 /sys/block/dm-0/dev)" 2>/dev/null
    mount -t squashfs -o ro /dev/dm-0 /sysroot
fi
if [ ! -e /sysroot/usr/lib/postern/early ]; then
    echo "early: no root, restarting" >/dev/kmsg
    sleep 1
    # The next try counts; the boot loader goes back when there are none left.
    echo b >/proc/sysrq-trigger
fi
for place in proc sys dev; do mount --move /$place /sysroot/$place; done
exec switch_root /sysroot /usr/lib/postern/early
