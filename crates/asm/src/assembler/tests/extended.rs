//! Operations as values, references beyond jumps, forms from outside the table, and the
//! assembler that grows.

use super::{EDGES, lines, outside};
use crate::assembler::*;
use crate::code::{Form, Hole, Label};
use std::{format, string::String, vec, vec::Vec};

/// The bytes that `emit` makes, with room for anything.
fn bytes(emit: impl Fn(&mut Asm<'_>)) -> Result<Vec<u8>, Error> {
    let (mut bytes, mut slots) = (vec![0; 4096], [Slot::EMPTY; 64]);
    let mut a = Asm::new(&mut bytes, Tables::slots(&mut slots));
    emit(&mut a);
    a.finish().map(|code| code.bytes().to_vec())
}

const ALUS: [Alu; 8] = [Alu::Add, Alu::Or, Alu::Adc, Alu::Sbb, Alu::And, Alu::Sub, Alu::Xor, Alu::Cmp];
const SHIFTS: [Shift; 7] =
    [Shift::Rol, Shift::Ror, Shift::Rcl, Shift::Rcr, Shift::Shl, Shift::Shr, Shift::Sar];

#[test]
fn operations_as_values_read_back() {
    let mut seen = 0;
    let mut check = |emit: &dyn Fn(&mut Asm<'_>), name: String| {
        let line = &lines(emit)[0];
        assert_eq!(line.1, outside(&line.0, 0), "{:02x?}", line.0);
        assert!(line.1.starts_with(&format!("{name} ")), "{name}: {}", line.1);
        seen += 1;
    };
    for operation in ALUS {
        let name = format!("{operation:?}").to_lowercase();
        for register in Gpr64::ALL {
            check(
                &|a| {
                    a.alu_rr(operation, register, R9);
                },
                name.clone(),
            );
            check(
                &|a| {
                    a.alu_rr(operation, register.resize::<8>(), DIL);
                },
                name.clone(),
            );
            check(
                &|a| {
                    a.alu_rm(operation, register.resize::<32>(), Mem::base(R12));
                },
                name.clone(),
            );
            check(
                &|a| {
                    a.alu_mr(operation, Mem::base(R13), register.resize::<16>());
                },
                name.clone(),
            );
            for imm in [0, 1, -1, 127, 128, 32767] {
                check(
                    &|a| {
                        a.alu_ri(operation, register, imm);
                    },
                    name.clone(),
                );
                check(
                    &|a| {
                        a.alu_mi(operation, dword(register), imm);
                    },
                    name.clone(),
                );
            }
        }
    }
    for operation in SHIFTS {
        let name = format!("{operation:?}").to_lowercase();
        for register in Gpr64::ALL {
            for count in [1, 2, 7] {
                check(
                    &|a| {
                        a.shift_ri(operation, register, count);
                    },
                    name.clone(),
                );
                check(
                    &|a| {
                        a.shift_mi(operation, byte(register), count);
                    },
                    name.clone(),
                );
            }
            check(
                &|a| {
                    a.shift_rcl(operation, register.resize::<32>());
                },
                name.clone(),
            );
            check(
                &|a| {
                    a.shift_mcl(operation, word(register));
                },
                name.clone(),
            );
        }
    }
    assert!(seen > 2900, "only {seen}");
    // The same bytes as by name.
    assert_eq!(
        bytes(|a| {
            a.alu_ri(Alu::Xor, RAX, 300);
        }),
        bytes(|a| {
            a.xor_ri(RAX, 300);
        })
    );
    assert_eq!(
        bytes(|a| {
            a.shift_ri(Shift::Sar, R8, 1);
        }),
        bytes(|a| {
            a.sar_ri(R8, 1);
        })
    );
}

#[test]
fn any_immediate_is_moved_in_its_shortest_form() {
    for value in EDGES.into_iter().chain([0xFFFF_FFFF, 0x8000_0000, 0x1_0000_0000]) {
        for register in Gpr64::ALL {
            let code = bytes(|a| {
                a.mov_imm(register, value);
            })
            .expect("assembles");
            let mut decoder = iced_x86::Decoder::new(64, &code, iced_x86::DecoderOptions::NONE);
            let instruction = decoder.decode();
            assert_eq!(instruction.mnemonic(), iced_x86::Mnemonic::Mov);
            let narrow = instruction.op0_register().size() == 4;
            let loaded = instruction.immediate(1);
            let loaded = if narrow { u64::from(loaded as u32) } else { loaded };
            assert_eq!(loaded, value.cast_unsigned(), "{code:02x?}");
            let extended = usize::from(register.number() > 7);
            let shortest = match value {
                0..=0xFFFF_FFFF => 5 + extended,
                _ if i32::try_from(value).is_ok() => 7,
                _ => 10,
            };
            assert_eq!(code.len(), shortest, "{value} into {register:?}");
        }
    }
}

#[test]
fn a_jump_table_has_the_distances_from_its_base() {
    let code = bytes(|a| {
        let cases = a.labels(4);
        assert_eq!(cases.count(), 4);
        let table = a.here();
        for case in 0..4 {
            a.difference(cases.get(case), table);
        }
        for case in 0..4 {
            a.bind(cases.get(case)).mov_ri(EAX, i64::from(case)).ret();
        }
    });
    let code = code.expect("assembles");
    for case in 0..4 {
        let entry = i32::from_le_bytes(code[4 * case..4 * case + 4].try_into().expect("four bytes"));
        assert_eq!(entry as usize, 16 + 6 * case);
        assert_eq!(code[entry as usize + 1] as usize, case);
    }
    let unbound = bytes(|a| {
        let (base, target) = (a.label(), a.here());
        a.difference(target, base).bind(base).ret();
    });
    assert_eq!(unbound, Err(Error::Unbound(Label(0))));
}

#[test]
#[should_panic(expected = "a label outside its block")]
fn a_block_has_as_many_labels_as_were_made() {
    let mut a = Asm::new(&mut [], Tables::none());
    a.labels(3).get(3);
}

#[test]
fn calls_of_addresses_outside_are_filled_when_the_code_has_its_own() {
    let (mut code, mut slots) = ([0; 64], [Slot::EMPTY; 4]);
    let mut a = Asm::new(&mut code, Tables::slots(&mut slots));
    let call = a.nop(3).call_hole();
    let jump = a.jmp_hole();
    a.finish().expect("assembles");
    let at = 0x5555_0000_0000_u64;
    for distance in [0, 1, -1, i64::from(i32::MAX), i64::from(i32::MIN)] {
        let target = (at + 8).wrapping_add_signed(distance);
        call.reach(&mut code, at, target).expect("in reach");
        jump.reach(&mut code, at, target.wrapping_add(5)).expect("in reach");
        let mut decoder = iced_x86::Decoder::with_ip(64, &code, at, iced_x86::DecoderOptions::NONE);
        let nop = decoder.decode();
        assert_eq!(nop.len(), 3);
        assert_eq!(decoder.decode().near_branch_target(), target);
        assert_eq!(decoder.decode().near_branch_target(), target.wrapping_add(5));
    }
    let before = code;
    for distance in [i64::from(i32::MAX) + 1, i64::from(i32::MIN) - 1] {
        let far = call.reach(&mut code, at, (at + 8).wrapping_add_signed(distance));
        assert_eq!(far, Err(Error::OutOfReach(4)));
    }
    assert_eq!(code, before);
    let _: Hole<4> = call;
}

#[test]
fn short_branches_on_rcx_reach_their_labels() {
    let all = lines(|a| {
        let end = a.label();
        a.jrcxz(end).loop_(end).loope(end).loopne(end).xbegin(end).bind(end).ret();
    });
    let mut offset = 0;
    for ((bytes, text), name) in all.iter().zip(["jrcxz", "loop", "loope", "loopne", "xbegin"]) {
        assert_eq!(*text, format!("{name} 0xe"));
        let mut decoder = iced_x86::Decoder::with_ip(64, bytes, offset, iced_x86::DecoderOptions::NONE);
        let instruction = decoder.decode();
        assert_eq!(format!("{:?}", instruction.mnemonic()).to_lowercase(), name);
        assert_eq!(instruction.near_branch_target(), 14, "{bytes:02x?}");
        offset += bytes.len() as u64;
    }
}

#[test]
fn a_form_takes_only_the_operands_that_it_has() {
    const ADD: Form = Form::new("add", "00 /r", "MR", "rm8 r8", 0, false);
    const SHUFFLE: Form =
        Form::new("vpalignr", "VEX.66.0F3A.WIG 0F /r ib", "RVMI", "x x xm128 imm8", 0, false);
    const PUSH: Form = Form::new("push", "68 id", "I", "imm32", 0, false);
    assert_eq!(
        lines(|a| {
            a.inst(ADD, [20, 23, 0]);
        })[0]
            .1,
        "add bh, ah"
    );
    assert_eq!(
        outside(
            &bytes(|a| {
                a.inst(ADD, [20, 23, 0]);
            })
            .expect("assembles"),
            0
        ),
        "add bh, ah"
    );
    assert_eq!(
        bytes(|a| {
            a.inst(ADD, [20, 8, 0]);
        }),
        Err(Error::HighByte(0))
    );
    assert_eq!(
        bytes(|a| {
            a.inst(ADD, [4, 21, 0]);
        }),
        Err(Error::HighByte(0))
    );
    for wrong in [[16, 0, 0], [24, 0, 0], [0, 19, 0], [0, 0, 1]] {
        assert_eq!(
            bytes(|a| {
                a.nop(1).inst(ADD, wrong);
            }),
            Err(Error::Operand(1)),
            "{wrong:?}"
        );
    }
    let line = &lines(|a| {
        a.inst(SHUFFLE, [15, 14, 13 << 8 | 100]);
    })[0];
    assert_eq!(line.1, "vpalignr xmm15, xmm13, xmm14, 100");
    assert_eq!(outside(&line.0, 0), line.1);
    for wrong in [[15, 14, 16 << 8], [16, 0, 0], [0, 16, 0]] {
        assert_eq!(
            bytes(|a| {
                a.inst(SHUFFLE, wrong);
            }),
            Err(Error::Operand(0)),
            "{wrong:?}"
        );
    }
    assert_eq!(
        bytes(|a| {
            a.inst(PUSH, [0, 0, 1 << 31]);
        }),
        Err(Error::Operand(0))
    );
    assert_eq!(
        bytes(|a| {
            a.inst(PUSH, [0, 0, 1 << 30]);
        }),
        Ok(vec![0x68, 0, 0, 0, 0x40])
    );
}

#[test]
fn notrack_takes_no_segment() {
    let plain = bytes(|a| {
        a.notrack_jmp_m(qword(RAX));
    });
    assert_eq!(plain, Ok(vec![0x3E, 0xFF, 0x20]));
    let far = bytes(|a| {
        a.notrack_jmp_m(qword(RAX).segment(Segment::Fs));
    });
    assert_eq!(far, Err(Error::Operand(0)));
}

#[test]
#[should_panic(expected = "an immediate is wider than its operand")]
fn a_strict_assembler_stops_where_the_operand_is() {
    let mut bytes = [0; 64];
    Asm::new(&mut bytes, Tables::none()).strict().add_ri(CL, 256);
}

#[cfg(feature = "alloc")]
mod growing {
    use super::*;
    use crate::assembler::{Asm, Growing};

    /// Instructions of many sizes with labels ahead and behind.
    fn piece(a: &mut Asm<'_>, i: i32, end: Label, top: Label) {
        a.alu_ri(Alu::Add, Gpr64::new((i % 16) as u8), i).jcc(Cond::E, end);
        a.mov_rm(RAX, Mem::label(end).disp(i)).jmp(top);
    }

    #[test]
    fn growing_makes_the_same_code_as_measuring_first() {
        const PIECES: i32 = 20_000;
        let mut g = Growing::new();
        for _ in 0..2 {
            let end = g.asm().label();
            let top = g.asm().here();
            for i in 0..PIECES {
                piece(&mut g.asm(), i, end, top);
            }
            g.asm().bind(end).ret().mark(7);
            let (mut bytes, mut slots) = (vec![0; 1 << 20], vec![Slot::EMPTY; 1 << 17]);
            let mut a = Asm::new(&mut bytes, Tables::slots(&mut slots));
            let (end, top) = (a.label(), a.here());
            for i in 0..PIECES {
                piece(&mut a, i, end, top);
            }
            a.bind(end).ret();
            let (grown, fixed) = (g.finish().expect("grows"), a.finish().expect("fits"));
            assert_eq!(grown.bytes(), fixed.bytes());
            assert_eq!(grown.marks().len(), 1);
            g.clear();
        }
    }

    #[test]
    fn more_than_the_room_of_a_loan_is_an_error() {
        let mut g = Growing::new();
        {
            let mut a = g.asm();
            for _ in 0..2000 {
                a.ret();
            }
        }
        g.asm().ret();
        assert!(matches!(g.finish(), Err(Error::Full(_))));
        g.clear();
        {
            let mut a = g.room(2000, 0);
            for _ in 0..2000 {
                a.ret();
            }
        }
        assert_eq!(g.finish().expect("room enough").bytes().len(), 2000);
    }

    #[test]
    fn addresses_of_labels_have_room_too() {
        let mut g = Growing::new();
        let label = g.asm().here();
        for _ in 0..300 {
            g.asm().mov_r64_label(RAX, label);
        }
        assert_eq!(g.finish().expect("assembles").relocations().len(), 300);
    }
}
