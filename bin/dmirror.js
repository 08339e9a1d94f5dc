#!/usr/bin/env node
// Thin on purpose: the program is built into dist/, and this committed file only starts it.
import { main } from '../dist/bundle/dmirror.js';

process.exitCode = await main(process.argv.slice(2));
