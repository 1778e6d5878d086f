/** Plays the transcripts that come as JSON on standard input, and writes what each went wrong with. */
import { runAll } from './client_run.mjs';
import * as sanctum from '../../clients/javascript/sanctum.js';

let text = '';
for await (const part of process.stdin) text += part;
process.stdout.write(JSON.stringify(await runAll(sanctum, JSON.parse(text))));
