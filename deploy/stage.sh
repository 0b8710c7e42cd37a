#!/bin/sh
# Puts what the image needs of a built checkout into a folder: compiled packages, production dependencies, this folder.
# Usage: stage.sh FOLDER
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
target=$1
cd "$root"
mkdir -p "$target"
cp package.json LICENSE "$target"
cp -r deploy proto "$target"
for package in packages/*/; do
  mkdir -p "$target/$package"
  cp "$package/package.json" "$target/$package"
  if [ -d "$package/dist" ]; then cp -r "$package/dist" "$target/$package"; fi
done
# Files that programs read from beside their sources.
mkdir -p "$target/packages/lab/src/images" "$target/packages/lab/src/drivers"
cp -r packages/lab/src/images/web "$target/packages/lab/src/images"
cp packages/lab/src/drivers/*.sh "$target/packages/lab/src/drivers"
mkdir -p "$target/node_modules/@lenj"
npm ls --omit=dev --all --parseable 2> /dev/null | sed -n "s|^$root/||p" | grep '^node_modules/' | grep -v '^node_modules/@lenj/' | sort -u \
  | tar --create --files-from=- | tar --extract --directory="$target"
for package in packages/*/; do
  name=$(basename "$package")
  ln -s "../../packages/$name" "$target/node_modules/@lenj/$name"
done
