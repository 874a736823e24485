#!/bin/bash
# Each bug of mutants.list, in a copy of the core, must make some seed of the simulation fail.
# Ends with "N killed, N survived"; a mutant that does not apply or compile is an error.
set -u
cd "$(dirname "$0")/../.." || exit 2
seeds=${MUTANT_SEEDS:-800}
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
out=${O:-build/release}
make -s O="$out" "$out/sim" || exit 2

# Splits the list into NNN.why, NNN.file, NNN.from and NNN.to.
perl -e '
    my ($list, $work) = @ARGV; my $n = 0; my @block;
    my $end = sub {
        return unless @block;
        my ($why, $file, @lines) = @block;
        my $from = join "", map { substr($_, 1) . "\n" } grep { /^-/ } @lines;
        my $to = join "", map { substr($_, 1) . "\n" } grep { /^\+/ } @lines;
        my $base = sprintf "%s/%03d", $work, ++$n;
        for (["why", $why], ["file", $file], ["from", $from], ["to", $to]) {
            open my $f, ">", "$base.$_->[0]" or die; print $f $_->[1]; close $f;
        }
        @block = ();
    };
    open my $f, "<", $list or die "$list: $!";
    while (<$f>) { chomp; next if /^#/; if (/^$/) { $end->() } else { push @block, $_ } }
    $end->();
' tests/sim/mutants.list "$work" || exit 2

# What the sim is linked from, without the object that the mutant replaces.
run_mutant() {
    local base=$1 file from_object dir
    file=$(cat "$base.file")
    dir=$base.d
    mkdir -p "$dir"
    perl -0777 -e '
        my ($file, $base) = @ARGV; local $/;
        sub slurp { open my $f, "<", $_[0] or die "$_[0]: $!"; my $t = <$f>; $t }
        my ($text, $from, $to) = (slurp($file), slurp("$base.from"), slurp("$base.to"));
        my $at = index $text, $from; exit 3 if $at < 0 || index($text, $from, $at + 1) >= 0;
        substr($text, $at, length $from) = $to; print $text;
    ' "$file" "$base" > "$dir/mutant.c" || { echo "does not apply (or not once)"; return 2; }
    from_object=$(basename "${file%.c}").o
    cp "$out/libberth.a" "$dir/libberth.a"
    ar d "$dir/libberth.a" "$from_object"
    # shellcheck disable=SC2046
    gcc -std=gnu17 -D_GNU_SOURCE -DBERTH_VERSION='"mutant"' \
        -Iinclude -I. -iquote "$(dirname "$file")" -O1 -w \
        $(pkg-config --cflags libcjson) -o "$dir/sim" "$dir/mutant.c" \
        "$out"/tests/sim/*.o "$dir/libberth.a" \
        $(pkg-config --libs libuv libcurl libcjson libmicrohttpd libcrypto) 2> "$dir/errors" ||
        { echo "does not compile: $(head -3 "$dir/errors")"; return 2; }
    if timeout 300 "$dir/sim" --once --stop-at-first --seeds "$seeds" > "$dir/report" 2>&1; then
        return 1
    fi
    grep -m1 -E '^seed|broken invariant' "$dir/report"
    return 0
}

one() {
    local base=$1 said rc
    said=$(run_mutant "$base")
    rc=$?
    rm -rf "$base.d"
    echo "$rc" > "$base.rc"
    case $rc in
        0) echo "killed: $(cat "$base.why") ($said)" ;;
        1) echo "SURVIVED: $(cat "$base.why")" ;;
        *) echo "ERROR: $(cat "$base.why"): $said" ;;
    esac
}

running=0
for why in "$work"/*.why; do
    one "${why%.why}" &
    running=$((running + 1))
    if [ "$running" -ge "$(nproc)" ]; then
        wait -n
        running=$((running - 1))
    fi
done
wait
killed=$(cat "$work"/*.rc | grep -c '^0$')
survived=$(cat "$work"/*.rc | grep -vc '^0$')
echo "$killed killed, $survived survived"
[ "$survived" -eq 0 ]
