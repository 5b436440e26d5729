#!/bin/sh
# Makes the bad and the good data files that files of this folder read.  Call: data.sh FOLDER.
mkdir -p "$1" && cd "$1" || exit 2
# IDX: magic 00 00 08 (u8) 03 (axes), sizes as 32 bits big-endian, values.
header='\0\0\010\003\0\0\0\004\0\0\0\002\0\0\0\002'
printf "$header"'\0\001\001\0\001\0\0\001\0\0\0\0\001\001\001\001' >good.idx
printf "$header"'\0\100\200\300\377\0\100\200\300\377\0\100\200\300\377\0' >grey.idx
printf "$header"'\0\001\001\0\001' >short.idx
printf '\0\0\010\003\0\0' >header.idx
printf '\0\001\010\003\0\0\0\004\0\0\0\002\0\0\0\002' >magic.idx
printf 'MZ\220\0\003\0\0\0' >other.idx
gzip -c good.idx >good.idx.gz
head -c 30 good.idx.gz >short.idx.gz
: >empty.idx
printf '0,1,1,0\n1,0,nan,1\n' >nan.csv
printf '0,1,1,0\n1,0,-inf,1\n' >inf.csv
printf '0,1,1,0\n1,0,-2,1\n' >below.csv
printf '0,1,1,0\n1,0,1\n' >ragged.csv
printf '0,1,1,0\n1,0,x,1\n' >word.csv
printf '0\n1\n2.5\n0\n' >fraction.csv
printf '0\n1\n1\n-1\n' >negative.csv
printf '\223NUMPY\001' >short.npy
mkdir folder.csv
