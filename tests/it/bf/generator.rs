//! Random programs that look like what the optimiser looks for.

use crate::random::Random;

impl Random {
    /// A program and its input.
    pub(crate) fn program(&mut self) -> (Vec<u8>, Vec<u8>) {
        let mut program = Vec::new();
        match self.below(8) {
            // Near the right end of the tape, or beyond it.
            0 => motion(&mut program, 4080 + self.below(20) as isize),
            1 | 2 => {}
            _ => motion(&mut program, self.below(12) as isize),
        }
        // Something on the tape.
        for _ in 0..self.below(6) {
            self.change(&mut program);
            motion(&mut program, self.step());
        }
        let budget = 4 + self.of(&[20, 40, 80, 200]);
        let budget = 4 + self.below(budget);
        self.pieces(&mut program, budget, 0);
        for _ in 0..self.below(8) {
            program.extend(self.of(&[&b".>"[..], b".<", b"."]));
        }
        let input = (0..self.below(8)).map(|_| self.of(&[0, 1, 2, 3, 7, 10, 65, 255])).collect();
        (program, input)
    }

    fn step(&mut self) -> isize {
        self.of(&[1, 1, 1, -1, -1, 2, -2, 3, -3, 0, 5, 9, -9])
    }

    fn change(&mut self, program: &mut Vec<u8>) {
        let count = self.of(&[1, 1, 1, 2, 3, 4, 5, 8, 16, 40, 255, 256]);
        let count = if count > 40 && self.below(4) > 0 { 2 } else { count };
        let command = self.of(b"+-+");
        program.extend(std::iter::repeat_n(command, count));
    }

    fn pieces(&mut self, program: &mut Vec<u8>, mut budget: usize, depth: usize) {
        while budget > 0 {
            let used = self.piece(program, budget, depth);
            budget = budget.saturating_sub(used);
        }
    }

    fn piece(&mut self, program: &mut Vec<u8>, budget: usize, depth: usize) -> usize {
        match self.below(21) {
            0..4 => {
                self.change(program);
                2
            }
            4..8 => {
                let by = self.step();
                motion(program, by);
                1
            }
            8 => {
                program.push(self.of(b"..,"));
                1
            }
            9 | 10 => {
                program.extend(self.of(&[
                    &b"[-]"[..],
                    b"[+]",
                    b"[--]",
                    b"[-]+",
                    b"[+++]",
                    b"[-]++",
                    b"[[-]]",
                    b"[-[-]]",
                ]));
                2
            }
            11 => {
                program.extend(self.of(&[
                    &b"[>]"[..],
                    b"[<]",
                    b"[>>]",
                    b"[<<]",
                    b"[>>>]",
                    b"[<<<<]",
                    b"[>>>>>>>>>]",
                ]));
                2
            }
            12..15 => {
                self.multiply(program);
                4
            }
            15 => {
                self.walk(program);
                4
            }
            _ if depth > 4 || budget < 4 => 1,
            kind => self.nested(program, kind, budget, depth),
        }
    }

    /// A piece that holds others. `kind` is at least 16.
    fn nested(&mut self, program: &mut Vec<u8>, kind: usize, budget: usize, depth: usize) -> usize {
        match kind {
            16 | 17 => {
                // A balanced loop that counts down.
                program.push(b'[');
                let start = program.len();
                self.pieces(program, budget / 2, depth + 1);
                let net = net_motion(&program[start..]);
                motion(program, -net);
                program.extend(self.of(&[&b"-]"[..], b"[-]]", b"-]", b"-]", b"+]", b"--]", b"]"]));
                budget / 2 + 2
            }
            18 => {
                // If and else, in the usual idiom.
                program.extend(b">[-]+<[");
                let start = program.len();
                self.pieces(program, budget / 3, depth + 1);
                let net = net_motion(&program[start..]);
                motion(program, -net);
                program.extend(b">[-]<[-]]>[-<");
                let start = program.len();
                self.pieces(program, budget / 3, depth + 1);
                let net = net_motion(&program[start..]);
                motion(program, -net);
                program.extend(b">]<");
                budget
            }
            19 => {
                // A loop that walks.
                program.push(b'[');
                self.pieces(program, budget / 2, depth + 1);
                let by = self.step();
                motion(program, by);
                program.extend(self.of(&[&b"]"[..], b"-]", b"]"]));
                budget / 2 + 2
            }
            _ => {
                program.push(b'[');
                self.pieces(program, budget / 2, depth + 1);
                program.extend(self.of(&[&b"-]"[..], b"[-]]", b"]"]));
                budget / 2 + 2
            }
        }
    }

    /// A row of cells, and a loop that walks back along it and changes what is near.
    fn walk(&mut self, program: &mut Vec<u8>) {
        let stride = self.of(&[1, 1, 2, 3, 9, -1, -2]);
        for _ in 0..2 + self.below(9) {
            program.extend(self.of(&[&b"+"[..], b"++", b"+", b"-"]));
            motion(program, stride);
        }
        motion(program, -stride);
        program.push(b'[');
        for _ in 0..self.below(4) {
            let at = self.of(&[0, 1, -1, 2, -2, stride, -stride, 2 * stride]);
            motion(program, at);
            program.extend(self.of(&[
                &b"+"[..],
                b"-",
                b"[-]",
                b"[-]+++",
                b"[->+<]",
                b"[-<+>]",
                b"[->++<]",
                b"[->>+<<]",
            ]));
            motion(program, -at);
        }
        motion(program, -stride);
        program.push(b']');
        // Print the cells that the loop has changed.
        if self.below(2) == 0 {
            for _ in 0..8 {
                motion(program, stride.signum());
                program.push(b'.');
            }
        }
    }

    /// A loop of additions, mostly with an odd step.
    fn multiply(&mut self, program: &mut Vec<u8>) {
        program.push(b'[');
        let step = self.of(&[&b"-"[..], b"-", b"-", b"+", b"---", b"--", b"+++++"]);
        let first = self.below(2) == 0;
        if first {
            program.extend(step);
        }
        let start = program.len();
        for _ in 0..1 + self.below(3) {
            let by = self.step();
            motion(program, by);
            self.change(program);
        }
        let net = net_motion(&program[start..]);
        motion(program, -net);
        if !first {
            program.extend(step);
        }
        program.push(b']');
    }
}

/// Moves the pointer.
fn motion(program: &mut Vec<u8>, by: isize) {
    let command = if by < 0 { b'<' } else { b'>' };
    program.extend(std::iter::repeat_n(command, by.unsigned_abs()));
}

/// How far `program` moves if every loop in it is balanced.
fn net_motion(program: &[u8]) -> isize {
    program.iter().map(|&command| (command == b'>') as isize - (command == b'<') as isize).sum()
}
