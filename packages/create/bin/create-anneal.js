#!/usr/bin/env node
// A file that exists before the build, so that package managers can link the command.
import '../dist/bin.js';
