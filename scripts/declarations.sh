#!/bin/sh
# Stands in for the compiler where tsdown asks it for the declarations of one package. Those of all packages have been
# made at once (tsconfig.declarations.json): the compiler would read the same dependencies again for each of them.
set -e
while [ $# -gt 0 ]; do
  case $1 in
  --rootDir) package=$2 ;;
  --outDir) target=$2 ;;
  esac
  shift
done
workspace=$(cd "$(dirname "$0")/.." && pwd)
cp -R "$workspace/node_modules/.cache/declarations/${package#"$workspace"/}/." "$target"
