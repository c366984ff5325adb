# What an order costs, in cents: sourced by its tests.

# total QUANTITY PRICE
total() {
    echo $(($1 * $2))
}

# discounted CENTS PERCENT: half a cent and more is rounded up.
discounted() {
    echo $((($1 * (100 - $2) + 50) / 100))
}

# shown CENTS
shown() {
    printf '%d.%02d\n' $(($1 / 100)) $(($1 % 100))
}
