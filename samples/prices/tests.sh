#!/bin/sh
# The tests of prices.sh, told in the Test Anything Protocol (https://testanything.org). One test
# alone: sh tests.sh rounding
cd "$(dirname "$0")" && . ./prices.sh || exit 2

only=$1
count=0
failed=0

# check NAME EXPECTED FOUND
check() {
    [ -n "$only" ] && [ "$only" != "$1" ] && return
    count=$((count + 1))
    if [ "$2" = "$3" ]; then
        echo "ok $count - $1"
    else
        failed=$((failed + 1))
        echo "not ok $count - $1"
        printf '  ---\n  message: "expected %s, found %s"\n  at: prices.sh\n  ...\n' "$2" "$3"
    fi
}

echo "TAP version 13"
check total 1250 "$(total 5 250)"
check discount 90 "$(discounted 100 10)"
check rounding 3 "$(discounted 5 50)"
check shown 12.05 "$(shown 1205)"
echo "1..$count"
[ "$failed" = 0 ]
