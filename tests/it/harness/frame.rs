//! The frames of the milter protocol: a length, a command byte and data. Written here a second
//! time, apart from the library that the daemon uses, so that the two check each other.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::io::{self, Read};

/// One frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The command, or the reply.
    pub command: u8,
    /// What belongs to it.
    pub data: Vec<u8>,
}

impl Frame {
    /// A frame whose data are strings, each ended by NUL.
    pub fn strings<T: AsRef<[u8]>>(command: u8, strings: impl IntoIterator<Item = T>) -> Self {
        let mut data = Vec::new();
        for string in strings {
            data.extend_from_slice(string.as_ref());
            data.push(0);
        }
        Self { command, data }
    }

    /// The bytes on the wire.
    pub fn to_bytes(&self) -> Vec<u8> {
        let length = u32::try_from(self.data.len() + 1).unwrap();
        let mut out = length.to_be_bytes().to_vec();
        out.push(self.command);
        out.extend_from_slice(&self.data);
        out
    }

    /// Reads a frame; none where the connection is closed between two frames.
    pub fn read(from: &mut impl Read) -> io::Result<Option<Self>> {
        let mut length = [0; 4];
        let mut have = 0;
        while have < length.len() {
            match from.read(&mut length[have..]) {
                Ok(0) if have == 0 => return Ok(None),
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(n) => have += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        let length = u32::from_be_bytes(length) as usize;
        if !(1..=0x0400_0000).contains(&length) {
            return Err(io::Error::other(format!("a frame of {length} octets")));
        }
        let mut data = vec![0; length];
        from.read_exact(&mut data)?;
        Ok(Some(Self { command: data.remove(0), data }))
    }

    /// The strings in the data.
    pub fn texts(&self) -> Vec<String> {
        let data = self.data.strip_suffix(&[0]).unwrap_or(&self.data);
        data.split(|&b| b == 0).map(|text| String::from_utf8_lossy(text).into_owned()).collect()
    }

    /// The number in the first four octets, and the rest.
    pub fn number(&self) -> Option<(u32, &[u8])> {
        let (number, rest) = self.data.split_first_chunk()?;
        Some((u32::from_be_bytes(*number), rest))
    }
}

/// What the MTA says.
pub mod cmd {
    /// Options are negotiated.
    pub const OPTNEG: u8 = b'O';
    /// Macros for the command that follows.
    pub const MACRO: u8 = b'D';
    /// A client connected.
    pub const CONNECT: u8 = b'C';
    /// HELO or EHLO.
    pub const HELO: u8 = b'H';
    /// MAIL FROM.
    pub const MAIL: u8 = b'M';
    /// RCPT TO.
    pub const RCPT: u8 = b'R';
    /// DATA.
    pub const DATA: u8 = b'T';
    /// A header field.
    pub const HEADER: u8 = b'L';
    /// End of header.
    pub const EOH: u8 = b'N';
    /// A piece of the body.
    pub const BODY: u8 = b'B';
    /// End of message.
    pub const EOM: u8 = b'E';
    /// The message is given up.
    pub const ABORT: u8 = b'A';
    /// The session ends.
    pub const QUIT: u8 = b'Q';
    /// The session ends, the connection is used again.
    pub const QUIT_NEW: u8 = b'K';
    /// A command that the MTA does not know.
    pub const UNKNOWN: u8 = b'U';
}

/// Options of the protocol (`SMFIP_`): what the milter does not want, or does not answer.
pub mod opt {
    use super::cmd;

    /// All that Postfix 3.7 offers.
    pub const ALL: u32 = 0x001f_ffff;
    /// Field bodies come with their leading space.
    pub const LEADING_SPACE: u32 = 0x0010_0000;
    /// The milter may ask for no more body.
    pub const SKIP: u32 = 0x400;

    /// The option with which a milter declines a command.
    pub fn declined(command: u8) -> u32 {
        match command {
            cmd::CONNECT => 0x1,
            cmd::HELO => 0x2,
            cmd::MAIL => 0x4,
            cmd::RCPT => 0x8,
            cmd::BODY => 0x10,
            cmd::HEADER => 0x20,
            cmd::EOH => 0x40,
            cmd::UNKNOWN => 0x100,
            cmd::DATA => 0x200,
            _ => 0,
        }
    }

    /// The option with which a milter says that it does not answer a command.
    pub fn unanswered(command: u8) -> u32 {
        match command {
            cmd::HEADER => 0x80,
            cmd::CONNECT => 0x1000,
            cmd::HELO => 0x2000,
            cmd::MAIL => 0x4000,
            cmd::RCPT => 0x8000,
            cmd::DATA => 0x1_0000,
            cmd::UNKNOWN => 0x2_0000,
            cmd::EOH => 0x4_0000,
            cmd::BODY => 0x8_0000,
            _ => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_read_as_they_are_written() {
        let frame = Frame::strings(cmd::MAIL, ["<a@x>", "SIZE=1"]);
        let bytes = frame.to_bytes();
        assert_eq!(bytes, b"\0\0\0\x0eM<a@x>\0SIZE=1\0");
        assert_eq!(Frame::read(&mut &bytes[..]).unwrap(), Some(frame.clone()));
        assert_eq!(frame.texts(), ["<a@x>", "SIZE=1"]);
        assert_eq!(Frame::read(&mut &bytes[..0]).unwrap(), None);
        assert!(Frame::read(&mut &bytes[..3]).is_err());
        assert!(Frame::read(&mut &bytes[..9]).is_err());
        assert!(Frame::read(&mut &[0, 0, 0, 0][..]).is_err());
    }
}
