#!/usr/bin/env node
// Thin on purpose: the program is built into dist/, and this committed file only starts it.
const args = process.argv.slice(2);
const isCheck = args[0] === 'abi' && args[1] === 'check';
// The same program; the first is built to start fast.
const { main } = await (isCheck ? import('../dist/abi-check/dmirror.js') : import('../dist/tools/dmirror.js'));

process.exitCode = await main(args);
