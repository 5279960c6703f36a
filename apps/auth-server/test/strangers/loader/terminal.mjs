/** For `node --import`: somebody sits at the terminal, so the program may ask. What it asks goes through pipes. */
process.stdin.isTTY = true
